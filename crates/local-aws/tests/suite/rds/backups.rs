//! Automated backups, here and replicated.
