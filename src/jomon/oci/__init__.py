"""Digests, descriptors, manifests and layers of the OCI image specification, as pure values."""
