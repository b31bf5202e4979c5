#!/usr/bin/env python3
"""Coefficients of the normal distribution function in common/nn/cpu/kernels_body.h (needs mpmath and numpy).

Phi(-z) = exp(-z^2/2) / 2 x erfcx(a), a = z / sqrt(2), z >= 0, where erfcx(a) = exp(a^2) erfc(a) is smooth. With
t = 1 / (1 + C a) it is t x P(t), P a polynomial. P is fitted for the smallest largest relative error on a in [0, 30] by
Lawson's iteratively reweighted least squares. Prints P's coefficients, the error of the fit, and the error in float32.
"""
import mpmath as mp
import numpy as np

C, DEGREE, LARGEST = mp.mpf("0.4"), 10, 30
mp.mp.dps = 60


def erfcx(a):
    return mp.e ** (a * a) * mp.erfc(a)


t0 = 1 / (1 + C * LARGEST)
count = 6 * DEGREE
ts = [(mp.cos(mp.pi * (2 * i + 1) / (2 * count)) * (1 - t0) + 1 + t0) / 2 for i in range(count)]
ys = [erfcx((1 / t - 1) / C) / t for t in ts]
rows = [[t ** k / y for k in range(DEGREE + 1)] for t, y in zip(ts, ys)]
weights = np.ones(count)
for _ in range(60):
    matrix, right = mp.matrix(count, DEGREE + 1), mp.matrix(count, 1)
    for i in range(count):
        root = mp.sqrt(mp.mpf(float(weights[i])))
        right[i] = root
        for k in range(DEGREE + 1):
            matrix[i, k] = rows[i][k] * root
    p = mp.lu_solve(matrix.T * matrix, matrix.T * right)
    error = np.array([abs(float(sum(p[k] * rows[i][k] for k in range(DEGREE + 1)) - 1)) for i in range(count)])
    weights = weights * (error + 1e-30)
    weights /= weights.sum()
for k in range(DEGREE + 1):
    print(f"p{k} = {np.float32(p[k]):.9g}")
print(f"fit: largest relative error {error.max():.2e}")

z = np.linspace(0, 12, 4001).astype(np.float32)
t = (1 / (1 + np.float32(C / mp.sqrt(2)) * z)).astype(np.float32)
q = np.full_like(t, np.float32(p[DEGREE]))
for k in range(DEGREE - 1, -1, -1):
    q = (q * t + np.float32(p[k])).astype(np.float32)
got = np.float32(0.5) * np.exp(-0.5 * z.astype(np.float64) ** 2).astype(np.float32) * (q * t)
want = np.array([float(mp.ncdf(-mp.mpf(float(v)))) for v in z])
print(f"float32: largest absolute error of Phi {np.abs(got - want).max():.2e}")
