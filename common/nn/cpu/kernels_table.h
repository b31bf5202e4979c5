/* kernels_table.h - the table of the kernels of one kind of processor; included last by kernels_*.c, which define
 * KERNELS, KERNELS_NAME, ATTENTION and ATTENTION_BACKWARD. */
const struct cpu_kernels KERNELS = {
    .name = KERNELS_NAME,
    .add_bias = add_bias,
    .activation = activation,
    .multiply = multiply,
    .add_norm = add_norm,
    .norm_backward = norm_backward,
    .norm_parameters = norm_parameters,
    .column_sums = column_sums,
    .dropout_mask = dropout_mask,
    .attention = ATTENTION,
    .attention_backward = ATTENTION_BACKWARD,
    .cross_entropy = cross_entropy,
    .sum_of_squares = sum_of_squares,
    .round_bf16 = round_bf16,
    .to_bf16 = to_bf16,
    .adamw = adamw,
    .adamw_past = adamw_past,
};
