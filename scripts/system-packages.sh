#!/bin/sh
# Installs the programs that the tests use and that pip cannot install (Debian and Ubuntu, as root).
set -eu

apt-get update
# skopeo: an independent reader of OCI layouts, against which the image store is tested (tests/store/test_skopeo.py).
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends skopeo
# postgresql: a real server for the ledger and to read a query from (tests/conftest.py starts one of its own).
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql
# chromium: a browser, in which the page at /docs has to work (tests/serving/test_page.py).
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium
# openssl: makes the certificates with which a server is tested over TLS (tests/server/test_secure.py).
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends openssl
