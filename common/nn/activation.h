/* activation.h - the activation functions of the feed-forward block. */
#ifndef NN_ACTIVATION_H
#define NN_ACTIVATION_H

enum activation {
    ACTIVATION_GELU,      /* "gelu": x Phi(x), Phi the normal distribution function (Hendrycks & Gimpel 2016) */
    ACTIVATION_GELU_TANH, /* "gelu_new", "gelu_pytorch_tanh": x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2 */
    ACTIVATION_RELU       /* "relu" */
};

#endif
