"""One layout of a data set in each module: it lists images and decodes none."""
