/* plot.c - see plot.h. */
#include "report/plot.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/io.h"

enum { SVG_CAP = 1 << 24 };

/* Of middle lightness, so that each can be told from white, and turned over from black. */
static const char *const colours[] = {"#555555", "#0072b2", "#d55e00", "#009e73", "#b4508c",
                                      "#8c6d00", "#7a52c7", "#1a9bc4", "#a33b3b"};
enum { COLOURS = sizeof colours / sizeof *colours };

static void write_quoted(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text; text++)
        if (*text == '\'')
            fputs("''", out);
        else if (*text != '\n')
            fputc(*text, out);
    fputc('\'', out);
}

/* gnuplot's names of plots are of letters, digits and '_'. */
static void write_name(FILE *out, const char *name)
{
    fputc('\'', out);
    for (; *name; name++)
        fputc(isalnum((unsigned char)*name) ? *name : '_', out);
    fputc('\'', out);
}

static void write_commands(FILE *out, const struct plot *plot, const char *path)
{
    fputs("set terminal svg size 520,380 dynamic noenhanced font 'sans-serif,14' background '#ffffff' name ", out);
    write_name(out, plot->name);
    fputs("\nset output ", out);
    write_quoted(out, path);
    fputs("\nset key below left reverse Left width 1\nset grid lc rgb '#bbbbbb'\nset border 3\nset tics nomirror\nset "
          "xlabel ",
          out);
    write_quoted(out, plot->x_label);
    fputs("\nset ylabel ", out);
    write_quoted(out, plot->y_label);
    fputs("\n", out);
    if (plot->log_x)
        fputs("set logscale x\n", out);
    fputs("plot ", out);
    if (plot->diagonal)
        fputs("[0:1][0:1] x with lines lc rgb '#999999' dt 2 title 'as it says', ", out);
    for (size_t i = 0; i < plot->n; i++) {
        fprintf(out, "%s'-' with linespoints pt 7 ps 0.4 lw 1.6 lc rgb '%s' title ", i ? ", " : "",
                colours[i % COLOURS]);
        write_quoted(out, plot->curves[i].title);
    }
    fputs("\n", out);
    for (size_t i = 0; i < plot->n; i++) {
        for (size_t j = 0; j < plot->curves[i].n; j++)
            fprintf(out, "%.8g %.8g\n", plot->curves[i].x[j], plot->curves[i].y[j]);
        fputs("e\n", out);
    }
}

char *plot_svg(const struct plot *plot, const char *path)
{
    struct error ignored = {0};
    size_t len;
    bool drawn = false;
    if (plot->n == 0)
        return NULL;
    /* Where there is no gnuplot nobody reads the commands: that is no reason to end. */
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    FILE *gnuplot = popen("gnuplot 2>/dev/null", "w");
    if (gnuplot) {
        write_commands(gnuplot, plot, path);
        drawn = pclose(gnuplot) == 0;
    }
    signal(SIGPIPE, before);
    return drawn ? file_read(path, SVG_CAP, &len, &ignored) : NULL;
}
