/* Plain C for processors with little memory: one value at a time, maps row by row. */
