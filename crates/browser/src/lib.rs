//! A headless Chromium for tests of pages: pictures, measurements, print.
//!
//! It reads only what it is handed, reaches nothing beyond this machine, and keeps nothing. Machines without it skip such tests:
//!
//! ```no_run
//! # fn show() -> Result<(), browser::BrowserError> {
//! use browser::{Browser, View};
//!
//! let Some(browser) = Browser::or_skip() else {
//!     return Ok(());
//! };
//! let picture = browser.picture("<!doctype html><title>A page</title><p>Text</p>", View::DESKTOP)?;
//! assert_eq!((picture.width, picture.height), (1200, 900));
//! // picture.png is the file
//! # Ok(()) }
//! ```

mod picture;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs, io};

pub use picture::Picture;

/// The names that Chromium goes by.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// A page could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    /// A file could not be written or read, or the program not be started.
    #[error("{doing} {}", .path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The browser ended without what it was asked for.
    #[error("get {wanted} from the browser: {said}")]
    Nothing {
        /// What it was asked for.
        wanted: &'static str,
        /// What it said.
        said: String,
    },
    /// The picture is not one.
    #[error("read the picture")]
    Picture(#[from] png::DecodingError),
}

/// How a page is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Width in CSS pixels.
    pub width: u32,
    /// Height in CSS pixels.
    pub height: u32,
    /// Whether the reader prefers dark pages.
    pub dark: bool,
}

impl View {
    /// A desktop.
    pub const DESKTOP: Self = Self {
        width: 1200,
        height: 900,
        dark: false,
    };
    /// A telephone.
    pub const PHONE: Self = Self {
        width: 390,
        height: 844,
        dark: false,
    };

    /// The same for a reader who prefers dark pages.
    #[must_use]
    pub const fn dark(self) -> Self {
        Self { dark: true, ..self }
    }

    /// The same, this high.
    #[must_use]
    pub const fn high(self, height: u32) -> Self {
        Self { height, ..self }
    }
}

/// A Chromium of this machine.
#[derive(Debug, Clone)]
pub struct Browser {
    program: PathBuf,
}

impl Browser {
    /// The first one on the path.
    pub fn find() -> Option<Self> {
        let path = env::var_os("PATH")?;
        let folders: Vec<PathBuf> = env::split_paths(&path).collect();
        NAMES
            .iter()
            .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
            .find(|program| program.is_file())
            .map(|program| Self { program })
    }

    /// The way in for tests: `None`, after a line `skipped: …` on stderr, if this machine has none.
    pub fn or_skip() -> Option<Self> {
        let found = Self::find();
        if found.is_none() {
            #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
            {
                eprintln!("skipped: no {} on the path", NAMES.join(", "));
            }
        }
        found
    }

    /// A picture of the top of a page, as large as the view.
    ///
    /// # Errors
    /// When the browser does not start or makes no picture.
    pub fn picture(&self, html: &str, view: View) -> Result<Picture, BrowserError> {
        let folder = folder()?;
        let file = folder.path().join("picture.png");
        let size = format!("--window-size={},{}", view.width, view.height);
        let screenshot = format!("--screenshot={}", file.display());
        let output = self.run(folder.path(), html, view.dark, &[&size, &screenshot])?;
        Ok(Picture::read(made(&file, "a picture", &output)?)?)
    }

    /// A page as PDF.
    ///
    /// # Errors
    /// When the browser does not start or prints nothing.
    pub fn pdf(&self, html: &str) -> Result<Vec<u8>, BrowserError> {
        let folder = folder()?;
        let file = folder.path().join("page.pdf");
        let print = format!("--print-to-pdf={}", file.display());
        // Whoever prints may prefer dark pages on the screen.
        let output = self.run(
            folder.path(),
            html,
            true,
            &[&print, "--no-pdf-header-footer"],
        )?;
        made(&file, "a PDF", &output)
    }

    /// What a page says in an element of the class `answer`, loaded from `url` like any page of the web, with `hosts` for
    /// the names that lead somewhere; all others lead nowhere. `None` where it says nothing; the second is the whole page as
    /// it is in the end.
    ///
    /// # Errors
    /// When the browser does not start.
    pub fn visit(
        &self,
        url: &str,
        hosts: &[(&str, &str)],
    ) -> Result<(Option<String>, String), BrowserError> {
        let folder = folder()?;
        let mut rules: Vec<String> = hosts
            .iter()
            .map(|(name, address)| format!("MAP {name} {address}"))
            .collect();
        rules.push("MAP * ~NOTFOUND".to_owned());
        rules.push("EXCLUDE 127.0.0.1".to_owned());
        let rules = format!("--host-resolver-rules={}", rules.join(", "));
        let arguments = ["--dump-dom", "--virtual-time-budget=20000"];
        let output = self.start(folder.path(), &rules, url, false, &arguments)?;
        let dom = String::from_utf8_lossy(&output.stdout).into_owned();
        let answer = dom
            .rsplit_once("class=\"answer\">")
            .map(|(_, rest)| plain(rest.split_once("</").unwrap_or_default().0));
        Ok((answer, dom))
    }

    /// What `script`, the body of an async function, returns as text about a page in a view. The script finds the
    /// page's window as `page`; it is not subject to the page's own policy for scripts.
    ///
    /// # Errors
    /// When the browser does not start, or the script throws.
    pub fn ask(&self, html: &str, view: View, script: &str) -> Result<String, BrowserError> {
        // A window cannot be as narrow as a telephone, a frame can; and its content is of the same origin.
        let around = format!(
            "<!doctype html><meta charset=utf-8><body><iframe width={} height={} srcdoc=\"{}\"></iframe><output></output>\
             <script>onload = async () => {{ const page = frames[0]; let answer; \
             try {{ answer = await (async () => {{ {script}\n }})(); document.querySelector('output').className = 'answer'; }} \
             catch (error) {{ answer = error; }} document.querySelector('output').textContent = answer; }}</script>",
            view.width,
            view.height,
            html.replace('&', "&amp;").replace('"', "&quot;"),
        );
        let folder = folder()?;
        let arguments = ["--dump-dom", "--virtual-time-budget=20000"];
        let output = self.run(folder.path(), &around, view.dark, &arguments)?;
        let dom = String::from_utf8_lossy(&output.stdout);
        let nothing = |said: &str| BrowserError::Nothing {
            wanted: "an answer",
            said: said.to_owned(),
        };
        let (_, rest) = dom
            .rsplit_once("<output")
            .ok_or_else(|| nothing(&String::from_utf8_lossy(&output.stderr)))?;
        let (_, rest) = rest.split_once('>').unwrap_or_default();
        let (text, _) = rest.split_once("</output>").unwrap_or_default();
        let text = plain(text);
        if dom.contains("<output class=\"answer\">") {
            Ok(text)
        } else {
            Err(nothing(&text))
        }
    }

    fn run(
        &self,
        folder: &Path,
        html: &str,
        dark: bool,
        arguments: &[&str],
    ) -> Result<Output, BrowserError> {
        let page = folder.join("page.html");
        fs::write(&page, html).map_err(|source| BrowserError::File {
            doing: "write",
            path: page.clone(),
            source,
        })?;
        let url = format!("file://{}", page.display());
        let nowhere = "--host-resolver-rules=MAP * ~NOTFOUND";
        self.start(folder, nowhere, &url, dark, arguments)
    }

    fn start(
        &self,
        folder: &Path,
        hosts: &str,
        url: &str,
        dark: bool,
        arguments: &[&str],
    ) -> Result<Output, BrowserError> {
        let profile = folder.join("profile");
        let scheme = if dark { 0 } else { 1 };
        let mut command = Command::new(&self.program);
        command
            .args([
                "--headless=new",
                // Root has no sandbox; the only pages are the ones handed in.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-crash-reporter",
                "--no-first-run",
                "--no-default-browser-check",
                "--hide-scrollbars",
                hosts,
            ])
            .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
            .arg(format!("--user-data-dir={}", profile.display()))
            .args(arguments)
            .arg(url)
            .env("HOME", folder)
            .stdin(Stdio::null());
        command.output().map_err(|source| BrowserError::File {
            doing: "start",
            path: self.program.clone(),
            source,
        })
    }
}

/// Text as it was before it was written into HTML.
fn plain(html: &str) -> String {
    html.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&nbsp;", "\u{a0}")
        .replace("&amp;", "&")
}

fn folder() -> Result<tempfile::TempDir, BrowserError> {
    tempfile::tempdir().map_err(|source| BrowserError::File {
        doing: "make a folder in",
        path: env::temp_dir(),
        source,
    })
}

fn made(file: &Path, wanted: &'static str, output: &Output) -> Result<Vec<u8>, BrowserError> {
    match fs::read(file) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(BrowserError::Nothing {
            wanted,
            said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        }),
        Err(source) => Err(BrowserError::File {
            doing: "read",
            path: file.to_owned(),
            source,
        }),
    }
}
