"""Where images and members are kept: an OCI layout on disk and the build cache."""
