#!/usr/bin/env python3
"""Write utility.json: what reference implementations answer for the utility metrics that the project computes itself.

stems   nltk.stem.porter.PorterStemmer().stem(word), the stemmer of rouge-score (all words of its rules; 400 in all)
math    is_equiv(a, b) of the MATH benchmark, and the text that its _strip_string leaves of a (null where it raises)

Usage: make_utility.py FOLDER      the folder holds math_equivalence.py of github.com/hendrycks/math; needs nltk
"""
import json
import pathlib
import random
import sys

from nltk.stem.porter import PorterStemmer

SUFFIXES = """ational tional enci anci izer bli abli alli entli eli ousli ization ation ator alism iveness fulness ousness aliti
iviti biliti fulli logi icate ative alize iciti ical ful ness al ance ence er ic able ible ant ement ment ent ion ou ism ate iti
ous ive ize s es ies sses ed ied eed ing ly y ll e ally fully""".split()
WORDS = """sky skies dying lying tying news innings inning outings outing cannings canning howe proceed exceed succeed dies ties
died tied flies spied caresses ponies caress cats feed agreed plastered bled motoring sing conflated troubled sized hopping
tanned falling hissing fizzed failing filing happy enjoy enjoyment spy syzygy relational conditional rational valency hesitancy
digitizer conformably radically differently vilely analogously vietnamization predication operator feudalism decisiveness
hopefulness callousness formality sensitivity sensibility geology theology triplicate formative formalize electricity
electrical hopeful goodness revival allowance inference airliner gyroscopic adjustable defensible irritant replacement
adjustment dependent adoption homologous communism activate angularity effective bowdlerize probate rate cease controll roll
emotionally hopefully usefully naturally lanterns dragons potions brewing brewed spells cursing cursed refusal refusing
apologize apologies harmful harmless policies police policing organization organizer used using user 2024 123abc yyyy ayyy""".split()
ANSWERS = [
    r"\frac{1}{2}", r"\frac12", r"\dfrac{1}{2}", r"\tfrac12", "1/2", "0.5", ".5", r"\frac{a}{b}", r"\frac1{72}", r"\frac{72}1", "a/b",
    "-1/2", "01/2", "1/02", "1/2/3", r"\sqrt3", r"\sqrt{3}", r"2\sqrt 3", r"\sqrt{12}+\sqrt5", r"\sqrt", r"\frac", r"\frac1", "", " ",
    "5", "x=5", "xy=5", "xyz=5", "x = 5", "x=y=5", r"5\text{ cm}", r"5\text{cm}", r"5 \text{ cm}\text{ long}", r"90^\circ", r"90^{\circ}",
    "90", r"\$5", "5\\%", "5%", "50\\%", r"\left(1, 2\right)", "(1,2)", "(1, 2)", r"\left[0,\infty\right)", r"[0,\infty)", r"3\!4", "34",
    "3,400", "3400", "x \\in [-2,7]", "[-2,7]", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}", "{.5}",
    "{0.5}", " .5", "0 .5", "1\n2", "12", r"\text{Oma}", "Oma", "(A)", "A", "2.0", "2", r"10\sqrt{2}/3", "-0/1", "0/1", "+1/2", r"\frac 1 2",
    r"\pi", "3.14", r"\frac{\sqrt3}{2}", r"\frac{\sqrt{3}}{2}", "ä=5", "1 / 2", "1_0/2", "10/2", "é/2", r"\sqrt[3]{2}", r"\sqrté",
]


def main():
    sys.path.insert(0, sys.argv[1])
    import math_equivalence as reference

    stemmer, drawn, words = PorterStemmer(), random.Random(1), list(WORDS)
    while len(words) < 400:
        word = "".join(drawn.choice("abcdeioustlnrzy") for _ in range(drawn.randint(0, 4))) + "".join(drawn.choices(SUFFIXES, k=drawn.randint(1, 2)))
        if len(word) > 3 and word not in words:
            words.append(word)

    def stripped(answer):
        try:
            return reference._strip_string(answer)
        except Exception:
            return None

    # Every answer with itself as it is left, and all pairs that are the same in more than their text.
    same = [[a, b] for i, a in enumerate(ANSWERS) for b in ANSWERS[i + 1:] if reference.is_equiv(a, b)]
    out = {
        "stems": {word: stemmer.stem(word) for word in words},
        "math": {"answers": [dict(text=a, stripped=stripped(a)) for a in ANSWERS], "same": same},
    }
    pathlib.Path(__file__).with_name("utility.json").write_text(json.dumps(out, indent=0, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
