/* Values are less their zero point. */
typedef int16_t k_act;
