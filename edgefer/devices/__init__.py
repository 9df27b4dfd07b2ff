"""Where bundles are measured: this machine, a board over SSH, an emulated board, a GPU."""
