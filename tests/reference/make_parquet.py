"""Small Parquet files as other programs write them, for tests/parquet.rs: each packing and each shape that sets come in.

pip install pyarrow==26.0.1 pandas; python make_parquet.py
"""

import datetime
import pathlib

import pandas
import pyarrow
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent / "parquet"
HERE.mkdir(exist_ok=True)

# As the library "datasets" writes conversations: a list of structs, one of them null, in two row groups.
turn = pyarrow.struct([("role", pyarrow.string()), ("content", pyarrow.string())])
messages = [
    [{"role": "user", "content": f"Who tends lamp {i}?"}, {"role": "assistant", "content": f"Oma {i}. 灯 🜂"}]
    for i in range(100)
]
messages[7] = None
table = pyarrow.table(
    {
        "messages": pyarrow.array(messages, pyarrow.list_(turn)),
        "category": pyarrow.array(["lamps", None] * 50).dictionary_encode(),
    }
)
pq.write_table(table, HERE / "chat.snappy.parquet", compression="snappy", row_group_size=60)

# Numbers, times with a named zone, decimals, bytes (a picture), large strings; lists of choices with the place of the right one.
rows = 3
table = pyarrow.table(
    {
        "question": pyarrow.array([f"Which lamp is number {i}?" for i in range(rows)], pyarrow.large_string()),
        "choices": pyarrow.array([["red", "green", "blue", "white"]] * rows, pyarrow.large_list(pyarrow.string())),
        "answer": pyarrow.array([0, 1, 3], pyarrow.int64()),
        "asked": pyarrow.array(
            [datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)] * rows,
            pyarrow.timestamp("us", tz="Europe/Berlin"),
        ),
        "price": pyarrow.array([1.5, None, 2.25], pyarrow.float32()),
        "picture": pyarrow.array(
            [{"bytes": b"\x89PNG", "path": "a.png"}] * rows,
            pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())]),
        ),
        "seen": pyarrow.array([{"a": 1}] * rows, pyarrow.map_(pyarrow.string(), pyarrow.int32())),
    }
)
for packing in ["zstd", "gzip", "brotli", "lz4", "none"]:
    pq.write_table(table, HERE / f"choices.{packing}.parquet", compression=packing)
# The second version of the format's pages, and lists as they were written before there was a standard.
pq.write_table(
    table, HERE / "choices.v2.parquet", data_page_version="2.0", version="2.6", use_compliant_nested_type=False
)

# As pandas writes it, with an index of its own.
pandas.DataFrame({"goal": ["Curse the well", "Sing to the ash"], "target": ["Sure", None]}, index=[3, 5]).to_parquet(
    HERE / "goals.pandas.parquet"
)

# Of no row, and of nothing but bytes.
pq.write_table(pyarrow.table({"goal": pyarrow.array([], pyarrow.string())}), HERE / "empty.parquet")
pq.write_table(pyarrow.table({"picture": pyarrow.array([b"\x89PNG"], pyarrow.binary())}), HERE / "bytes.parquet")
