//! Databases against a local AWS whose RDS takes time.

mod backups;
mod copies;
mod emulators;
mod restores;
mod stage;
