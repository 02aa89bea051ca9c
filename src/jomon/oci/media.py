"""The media types and annotation keys of a fleet image, each with the reason why it is that one.

Where the CNCF ModelPack specification has a type that fits, it is used, so that tools that know model
artifacts show the image as one. What only jomon can read has a type of its own, so that nobody takes it for
something else.
"""

from __future__ import annotations

# The documents that every registry understands.
# One image: what registries store, copy and count.
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
# The list of what a layout holds, and a list of referrers.
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
# The config of an attachment, which has none: the two bytes {}.
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
EMPTY_JSON = b"{}"

# A fleet image is a model artifact of CNCF ModelPack.
# The artifact type: "this is a model, not a container".
MODEL_MANIFEST = "application/vnd.cncf.model.manifest.v1+json"
# The config: family, name, format, and the digests of the layers.
MODEL_CONFIG = "application/vnd.cncf.model.config.v1+json"
# A pack: weights neither archived nor compressed, so that the blob itself can be mapped into memory.
MODEL_WEIGHT_RAW = "application/vnd.cncf.model.weight.v1.raw"

# What only jomon can read.
# Stages, features and axes: JSON that is read before any weight is opened.
FLEET = "application/vnd.jomon.fleet.v1+json"
# The fast parts: a layer of their own, because they change every day and nothing else does.
FAST = "application/vnd.jomon.fast.v1.safetensors"
# A member that is no array but an object in skops' format, which runs no code on load; one layer each.
OPAQUE = "application/vnd.jomon.member.v1.skops"
# Lineage and evidence of every member: read by people, not needed to predict.
MEMBERS = "application/vnd.jomon.members.v1+json"
# The bins of the columns that are watched, and how many of the rows learned from lie in each: read by monitoring.
REFERENCE = "application/vnd.jomon.reference.v1+json"
# An evaluation, attached to the image that it judges.
EVALUATION = "application/vnd.jomon.evaluation.v1+json"
# The report beside an evaluation, as a browser expects it.
REPORT_HTML = "text/html"

# On an entry of the index: the name, where oras and skopeo look it up.
REF_NAME = "org.opencontainers.image.ref.name"
# On an entry of the index, never in a manifest: equal content has an equal digest at any time.
CREATED = "org.opencontainers.image.created"
# On a layer: the file name under which oras pulls it.
TITLE = "org.opencontainers.image.title"
# On a layer: the same for tools that know ModelPack.
MODEL_FILEPATH = "org.cncf.model.filepath"
# On a manifest: how many members the image has, so that a list of images need not open a layer.
MEMBER_COUNT = "vnd.jomon.members"
# On a manifest: up to when rows and outcomes had come (microseconds since 1970-01-01 UTC) that its fast parts learned
# from the server's log; absent where they learned from data that was ingested.
HEARD = "vnd.jomon.heard"
# On the layer of an opaque member: its segment, the factor on what it adds, and where it does not see them all, the
# features it sees (a JSON list of names).
SEGMENT = "vnd.jomon.segment"
SHRINK = "vnd.jomon.shrink"
FEATURES = "vnd.jomon.features"
# On an entry that lost its tag: the repository that it belongs to.
REPOSITORY = "vnd.jomon.repository"
# On the entry of an attachment: what it is attached to, so that a list of them need not read every manifest.
SUBJECT = "vnd.jomon.subject"

# The size up to which the distribution specification obliges registries to take a manifest.
MANIFEST_LIMIT_BYTES = 4 * 1024 * 1024
