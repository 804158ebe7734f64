use crate::stage::{DR, Stage};
