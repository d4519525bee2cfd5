//! Packs the demo project's results for the binary, and prepares the linking of a CUDA build that loads CUDA's libraries when it first needs them, so that the program also
//! starts where there are none. Such a build is made by `scripts/cargo-cuda.sh`; every other build passes by here
//! untouched. docs/gpu.md says how it works.

use flate2::{Compression, GzBuilder};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The libraries that the crates below ask the linker for although the program finds their functions at run time.
const LOADED: [&str; 5] = ["cuda", "cublas", "cublasLt", "curand", "nvrtc"];

/// An archive without members, which satisfies the linker and adds nothing.
const EMPTY_ARCHIVE: &[u8] = b"!<arch>\n";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=projects/demo");
    println!("cargo:rerun-if-env-changed=CUDA_HOME");
    println!("cargo:rerun-if-env-changed=CUDA_PATH");

    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    pack(Path::new("projects/demo"), &out.join("demo.tar.gz"))?;

    let cuda = env::var_os("CARGO_FEATURE_CUDA").is_some();
    let linux = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    let loads = env::var("CARGO_ENCODED_RUSTFLAGS").is_ok_and(|flags| flags.contains("dynamic-loading"));
    if !(cuda && linux && loads) {
        return Ok(());
    }

    for library in LOADED {
        fs::write(out.join(format!("lib{library}.a")), EMPTY_ARCHIVE)?;
    }
    // The compiled kernels call CUDA's runtime, which has no counterpart that is loaded at run time: it is linked in
    // whole, and the request for the shared one is answered with an empty archive as well.
    fs::write(out.join("libcudart.a"), EMPTY_ARCHIVE)?;
    println!("cargo:rustc-link-search=native={}", out.display());
    println!("cargo:rustc-link-search=native={}", static_runtime()?.display());
    println!("cargo:rustc-link-lib=static:+whole-archive,-bundle=cudart_static");
    for library in ["dl", "rt", "pthread"] {
        println!("cargo:rustc-link-lib=dylib={library}");
    }
    Ok(())
}

/// Puts a folder into one compressed file: ten megabytes of logs become one. The same files give the same bytes.
fn pack(folder: &Path, file: &Path) -> io::Result<()> {
    let packed = GzBuilder::new().mtime(0).write(fs::File::create(file)?, Compression::best());
    let mut archive = tar::Builder::new(packed);
    archive.mode(tar::HeaderMode::Deterministic);
    let mut names = Vec::new();
    list(folder, &mut names)?;
    names.sort();
    for name in names {
        archive.append_path_with_name(&name, name.strip_prefix(folder).unwrap_or(&name))?;
    }
    archive.into_inner()?.finish()?;
    Ok(())
}

/// Every file below a folder.
fn list(folder: &Path, names: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, names)?;
        } else {
            names.push(path);
        }
    }
    Ok(())
}

/// The folder with `libcudart_static.a` in the CUDA toolkit that the environment names, or else in the usual place.
fn static_runtime() -> io::Result<PathBuf> {
    let named = ["CUDA_HOME", "CUDA_PATH"].iter().filter_map(env::var_os).map(PathBuf::from);
    let folders: Vec<PathBuf> = named
        .chain([PathBuf::from("/usr/local/cuda"), PathBuf::from("/opt/cuda")])
        .flat_map(|home| ["lib64", "lib"].map(|folder| home.join(folder)))
        .collect();
    let holds = |folder: &&PathBuf| Path::new(folder).join("libcudart_static.a").is_file();
    folders.iter().find(holds).cloned().ok_or_else(|| {
        let looked = folders.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", ");
        io::Error::other(format!(
            "libcudart_static.a is in none of {looked}. Set CUDA_HOME to the CUDA toolkit; \
             scripts/cuda-toolkit.sh installs one"
        ))
    })
}
