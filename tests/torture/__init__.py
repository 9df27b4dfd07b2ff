"""edgefer under kills, full disks and hostile files. `make test` runs a small part, `make torture` the long one."""
