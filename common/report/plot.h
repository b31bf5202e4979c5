/* plot.h - curves drawn by gnuplot as SVG. */
#ifndef REPORT_PLOT_H
#define REPORT_PLOT_H

#include <stdbool.h>
#include <stddef.h>

struct plot_curve {
    const char *title;
    const double *x, *y;
    size_t n;
};

struct plot {
    const char *name; /* letters, digits, '-': keeps apart the plots of one page */
    const char *x_label, *y_label;
    bool diagonal; /* a line y = x from 0 to 1, as reliability diagrams have it */
    bool log_x;
    const struct plot_curve *curves;
    size_t n;
};

/* The SVG, freed by the caller, also written to `path`; NULL where gnuplot is not there or fails. */
char *plot_svg(const struct plot *plot, const char *path);

#endif
