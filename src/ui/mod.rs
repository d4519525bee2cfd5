//! The window: the only room that knows egui. It draws state and sends commands; it never computes and never waits.

pub mod app;
mod picker;
mod screens;
mod terms;
mod theme;
mod widgets;
mod windows;

pub use app::{App, Settings};
pub use picker::{FilePicker, PickKind, Picked, SystemPicker};

use eframe::egui;
use std::path::PathBuf;

/// Why the window could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum WindowError {
    /// There is no folder for the user's data.
    #[error(
        "this system names no folder for your data. Set HOME, or name a project folder on the command line."
    )]
    NoDataFolder,
    /// The system gave no window.
    #[error("the window could not be opened: {0}. It needs a display and a Vulkan or OpenGL driver.")]
    NoWindow(String),
}

/// Where the demo project is unpacked: the folder `demo` in the user's data folder.
pub fn demo_project_folder() -> Result<PathBuf, WindowError> {
    let folders = directories::ProjectDirs::from("", "", "plumbline").ok_or(WindowError::NoDataFolder)?;
    Ok(folders.data_dir().join("demo"))
}

/// Opens the window on `project`, or on the demo project, and returns when it is closed.
pub fn open(project: Option<PathBuf>) -> Result<(), WindowError> {
    let demo = project.is_none();
    let project_root = match project {
        Some(root) => root,
        None => demo_project_folder()?,
    };
    let options = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_inner_size([1280.0, 800.0])
            .with_min_inner_size([1100.0, 700.0])
            .with_app_id("plumbline")
            .with_title("Plumbline"),
        wgpu_options: eframe::egui_wgpu::WgpuConfiguration {
            surface: eframe::egui_wgpu::SurfaceConfig::LOW_LATENCY,
            ..Default::default()
        },
        ..Default::default()
    };
    let config_folder =
        directories::ProjectDirs::from("", "", "plumbline").map(|dirs| dirs.config_dir().to_owned());
    let settings = Settings { project_root, demo, picker: Box::new(SystemPicker), config_folder };
    eframe::run_native(
        "plumbline",
        options,
        Box::new(|cc| {
            App::new(cc, settings).map(|app| Box::new(app) as Box<dyn eframe::App>).map_err(Into::into)
        }),
    )
    .map_err(|e| WindowError::NoWindow(e.to_string()))
}
