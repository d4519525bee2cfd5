//! Which device computes: the GPU if this build can use one and one answers, else the CPU.

use super::ModelError;
use candle_core::{Device, DeviceLocation};
use std::sync::OnceLock;

/// The environment variable that overrides the choice: `auto`, `cpu`, `cuda`, `cuda:1`, `metal`, `metal:0`.
pub const VARIABLE: &str = "PLUMBLINE_DEVICE";

static PICKED: OnceLock<Result<Device, Refusal>> = OnceLock::new();

/// A wish that cannot be granted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal {
    asked: String,
    reason: String,
}

/// What [`VARIABLE`] can ask for; the number counts the GPUs of its kind from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Automatic,
    Cpu,
    Cuda(usize),
    Metal(usize),
}

/// The device that computes, chosen once per process: what [`VARIABLE`] asks for, else the first NVIDIA GPU, else the
/// first Metal GPU, else the CPU. GPUs count only if the program was built with the feature of their kind.
///
/// A wish that cannot be granted ends in the CPU here and in an error from [`check`], which the program calls first.
pub fn pick() -> Device {
    picked().as_ref().map_or(Device::Cpu, Clone::clone)
}

/// Whether the device that [`VARIABLE`] asks for can be used. Without a wish no GPU is looked for yet.
///
/// # Errors
/// [`ModelError::Device`] with the reason, if it cannot.
pub fn check() -> Result<(), ModelError> {
    if wish(&asked()) == Ok(Wish::Automatic) {
        return Ok(());
    }
    match picked() {
        Ok(_) => Ok(()),
        Err(Refusal { asked, reason }) => {
            Err(ModelError::Device { asked: asked.clone(), reason: reason.clone() })
        }
    }
}

/// The name of a device for people: "CPU (16 threads, AVX-512)", "NVIDIA H100 80GB HBM3 (CUDA 0)",
/// "Metal GPU 0".
///
/// The threads are those of the compute pool, which starts here if it has not yet.
#[must_use]
pub fn name(device: &Device) -> String {
    match device.location() {
        DeviceLocation::Cpu => {
            let threads = rayon::current_num_threads();
            let unit = if threads == 1 { "thread" } else { "threads" };
            format!("CPU ({threads} {unit}, {})", instruction_set())
        }
        DeviceLocation::Cuda { gpu_id } => {
            let product = product(device).unwrap_or_else(|| "NVIDIA GPU".to_owned());
            format!("{product} (CUDA {gpu_id})")
        }
        DeviceLocation::Metal { gpu_id } => format!("Metal GPU {gpu_id}"),
    }
}

fn picked() -> &'static Result<Device, Refusal> {
    PICKED.get_or_init(|| choose(&asked(), &cuda, &metal))
}

fn asked() -> String {
    std::env::var_os(VARIABLE).unwrap_or_default().to_string_lossy().into_owned()
}

/// The choice itself, with the two kinds of GPU as arguments so that tests can stand in for them.
fn choose(
    asked: &str,
    cuda: &dyn Fn(usize) -> Result<Device, String>,
    metal: &dyn Fn(usize) -> Result<Device, String>,
) -> Result<Device, Refusal> {
    let refuse = |reason| Refusal { asked: asked.trim().to_owned(), reason };
    match wish(asked).map_err(refuse)? {
        Wish::Cpu => Ok(Device::Cpu),
        Wish::Cuda(index) => cuda(index).map_err(refuse),
        Wish::Metal(index) => metal(index).map_err(refuse),
        Wish::Automatic => {
            let note = |reason: &String| log::info!("a kind of GPU is passed over: {reason}");
            Ok(cuda(0).inspect_err(note).or_else(|_| metal(0)).inspect_err(note).unwrap_or(Device::Cpu))
        }
    }
}

fn wish(text: &str) -> Result<Wish, String> {
    let text = text.trim().to_lowercase();
    let (kind, index) = match text.split_once(':') {
        Some((kind, index)) => (kind, Some(index)),
        None => (text.as_str(), None),
    };
    let number = || match index {
        None => Ok(0),
        Some(index) => index.parse().map_err(|_| format!("\"{index}\" is not the number of a GPU")),
    };
    match (kind, index) {
        ("" | "auto", None) => Ok(Wish::Automatic),
        ("cpu", None) => Ok(Wish::Cpu),
        ("cuda", _) => Ok(Wish::Cuda(number()?)),
        ("metal", _) => Ok(Wish::Metal(number()?)),
        _ => Err("there is no such device".to_owned()),
    }
}

/// The widest instruction set of this processor that the kernels have a version for.
fn instruction_set() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        let has_512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw");
        if has_512 {
            "AVX-512"
        } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            "AVX2"
        } else {
            "SSE2"
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        "NEON"
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        std::env::consts::ARCH
    }
}

#[cfg(feature = "cuda")]
fn product(device: &Device) -> Option<String> {
    device.as_cuda_device().ok()?.cuda_stream().context().name().ok()
}

#[cfg(not(feature = "cuda"))]
fn product(_: &Device) -> Option<String> {
    None
}

#[cfg(feature = "cuda")]
fn cuda(index: usize) -> Result<Device, String> {
    for library in libraries::NEEDED {
        libraries::load(library)?;
    }
    opened("CUDA", || Device::new_cuda(index))
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: usize) -> Result<Device, String> {
    Err("this program was built without the feature `cuda`".to_owned())
}

#[cfg(feature = "metal")]
fn metal(index: usize) -> Result<Device, String> {
    opened("Metal", || Device::new_metal(index))
}

#[cfg(not(feature = "metal"))]
fn metal(_: usize) -> Result<Device, String> {
    Err("this program was built without the feature `metal`".to_owned())
}

/// Opens a GPU. The crates below panic where a library or a function of one is missing; here that is a reason.
#[cfg(any(feature = "cuda", feature = "metal"))]
fn opened(
    kind: &str,
    open: impl FnOnce() -> candle_core::Result<Device> + std::panic::UnwindSafe,
) -> Result<Device, String> {
    match std::panic::catch_unwind(open) {
        Ok(Ok(device)) => Ok(device),
        Ok(Err(error)) => Err(format!("{kind} says: {error}")),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("{kind} could not be started: {}", text.unwrap_or("it gives no reason")))
        }
    }
}

/// CUDA's shared libraries, looked for before anything is called in them: their absence is the ordinary case on a
/// machine without a GPU, and the crate that calls them panics there.
#[cfg(feature = "cuda")]
mod libraries {
    use std::path::{Path, PathBuf};

    /// What is called as soon as a GPU is opened: the driver, and the toolkit's libraries in the order in which they
    /// need each other.
    #[cfg(not(windows))]
    pub(super) const NEEDED: [&str; 4] = ["cuda", "cublasLt", "cublas", "curand"];
    /// On Windows the toolkit's libraries carry their version in the name; only the driver is looked for.
    #[cfg(windows)]
    pub(super) const NEEDED: [&str; 1] = ["nvcuda"];

    /// Loads a library and keeps it loaded, so that asking for it by its bare name finds it later, wherever it lies.
    /// The system's own search path comes first, then the folders of an installed toolkit.
    pub(super) fn load(library: &str) -> Result<(), String> {
        let names = names(library);
        let folders: Vec<PathBuf> = std::iter::once(PathBuf::new()).chain(toolkits()).collect();
        if folders.iter().any(|folder| names.iter().any(|name| opens(&folder.join(name)))) {
            return Ok(());
        }
        let cure = if library.ends_with("cuda") {
            "it comes with NVIDIA's driver"
        } else {
            "it comes with the CUDA toolkit; set CUDA_HOME to the toolkit's folder, or put its lib64 on the library path"
        };
        Err(format!("{} cannot be loaded; {cure}", names[0]))
    }

    fn names(library: &str) -> Vec<String> {
        use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
        let plain = format!("{DLL_PREFIX}{library}{DLL_SUFFIX}");
        // The driver's version is 1. Of the others the newest comes first; curand has stayed at 10.
        let versions: &[&str] = if library == "cuda" { &["1"] } else { &["13", "12", "11", "10"] };
        let versions = versions.iter().map(|version| format!("{plain}.{version}"));
        std::iter::once(plain.clone()).chain(versions).collect()
    }

    fn toolkits() -> impl Iterator<Item = PathBuf> {
        let named = ["CUDA_HOME", "CUDA_PATH"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
        named
            .chain(["/usr/local/cuda", "/opt/cuda"].map(PathBuf::from))
            .flat_map(|home| ["lib64", "lib"].map(|folder| home.join(folder)))
    }

    fn opens(path: &Path) -> bool {
        #[allow(
            unsafe_code,
            reason = "loading NVIDIA's own libraries, which run nothing of ours as they load"
        )]
        let library = unsafe { libloading::Library::new(path) };
        library.map(std::mem::forget).is_ok()
    }

    #[cfg(test)]
    mod tests {
        #[test]
        fn a_library_that_is_nowhere_is_named_with_its_cure() {
            let error = super::load("no-such-library-of-cuda").unwrap_err();
            assert!(error.contains("no-such-library-of-cuda"), "{error}");
            assert!(error.contains("driver"), "{error}");
            let error = super::load("no-such-library").unwrap_err();
            assert!(error.contains("CUDA_HOME"), "{error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stands in for a GPU that answers, or for none.
    fn gpu(answers: bool) -> impl Fn(usize) -> Result<Device, String> {
        move |_| if answers { Ok(Device::Cpu) } else { Err("nothing answers".to_owned()) }
    }

    #[test]
    fn every_spelling_of_a_wish_is_understood() {
        for (text, expected) in [
            ("", Wish::Automatic),
            ("auto", Wish::Automatic),
            ("cpu", Wish::Cpu),
            (" CPU ", Wish::Cpu),
            ("cuda", Wish::Cuda(0)),
            ("cuda:1", Wish::Cuda(1)),
            ("Metal", Wish::Metal(0)),
            ("metal:2", Wish::Metal(2)),
        ] {
            assert_eq!(wish(text), Ok(expected), "{text}");
        }
        for text in ["gpu", "cuda:", "cuda:one", "cuda:-1", "cpu:0", "auto:1"] {
            assert!(wish(text).is_err(), "{text}");
        }
    }

    #[test]
    fn without_a_gpu_the_choice_falls_to_the_cpu() {
        assert!(choose("", &gpu(false), &gpu(false)).unwrap().is_cpu());
    }

    #[test]
    fn the_order_is_cuda_then_metal_then_cpu_and_a_wish_asks_its_own_kind_only() {
        use std::cell::RefCell;
        let asked = RefCell::new(Vec::new());
        let tried = |wish: &str, cuda_there: bool, metal_there: bool| {
            asked.borrow_mut().clear();
            let try_one = |kind, there| {
                let asked = &asked;
                move |index: usize| {
                    asked.borrow_mut().push((kind, index));
                    gpu(there)(index)
                }
            };
            let _ = choose(wish, &try_one("cuda", cuda_there), &try_one("metal", metal_there));
            asked.borrow().clone()
        };
        assert_eq!(tried("", true, true), [("cuda", 0)]);
        assert_eq!(tried("", false, true), [("cuda", 0), ("metal", 0)]);
        assert_eq!(tried("", false, false), [("cuda", 0), ("metal", 0)]);
        assert_eq!(tried("cpu", true, true), []);
        assert_eq!(tried("cuda:1", true, true), [("cuda", 1)]);
        assert_eq!(tried("metal", true, true), [("metal", 0)]);
    }

    #[test]
    fn a_wish_that_cannot_be_granted_is_refused_with_its_reason_not_replaced() {
        let refusal = choose("cuda:3", &gpu(false), &gpu(true)).unwrap_err();
        assert_eq!(refusal, Refusal { asked: "cuda:3".into(), reason: "nothing answers".into() });
        let error = ModelError::Device { asked: refusal.asked, reason: refusal.reason }.to_string();
        for part in [VARIABLE, "cuda:3", "nothing answers", "auto"] {
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(choose("abacus", &gpu(true), &gpu(true)).unwrap_err().asked, "abacus");
    }

    #[test]
    #[cfg(not(any(feature = "cuda", feature = "metal")))]
    fn a_build_for_the_cpu_picks_the_cpu_and_says_which_feature_is_missing() {
        assert!(choose("", &cuda, &metal).unwrap().is_cpu());
        assert!(choose("cuda", &cuda, &metal).unwrap_err().reason.contains("`cuda`"));
        assert!(choose("metal", &cuda, &metal).unwrap_err().reason.contains("`metal`"));
    }

    /// The real probe of a CUDA build. On a machine with an NVIDIA GPU it must find that; on any other it must come
    /// back with a reason, and not panic.
    #[test]
    #[cfg(feature = "cuda")]
    fn a_build_with_cuda_finds_the_gpu_or_falls_back_to_the_cpu() {
        let has_gpu = std::path::Path::new("/dev/nvidiactl").exists();
        let picked = choose("", &cuda, &gpu(false)).unwrap();
        assert_eq!(picked.is_cuda(), has_gpu);
        if !has_gpu {
            let refusal = choose("cuda", &cuda, &gpu(false)).unwrap_err();
            assert!(refusal.reason.contains("libcuda.so"), "{}", refusal.reason);
        }
    }

    #[test]
    fn the_cpu_is_named_with_its_threads_and_instruction_set() {
        let name = name(&Device::Cpu);
        assert!(name.starts_with("CPU ("), "{name}");
        assert!(name.contains(&rayon::current_num_threads().to_string()), "{name}");
        assert!(name.contains(instruction_set()), "{name}");
    }
}
