/* The dot product takes the stored bytes as signed (ARM's SDOT, x86's VPDPBSSD). */
typedef int8_t k_act;
#define K_BYTES(a, b) wasm_i8x16_narrow_i16x8(a, b)
#define K_EIGHT(p) wasm_i16x8_load8x8(p)
#define K_WIDER(v) wasm_i16x8_extend_low_i8x16(v)
#define K_LOWER(a, b) wasm_i8x16_min(a, b)
#define K_HIGHER(a, b) wasm_i8x16_max(a, b)
