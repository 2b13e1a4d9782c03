//! Settings: raw file, environment, and the validated result.
