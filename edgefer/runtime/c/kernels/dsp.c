/* Cortex-M with the DSP extension: two products an instruction (SMLAD). */
