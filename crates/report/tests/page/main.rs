//! A page of HTML: its structure, its colours, and how a browser shows it.

mod colours;
mod sample;
mod seen;
mod structure;
