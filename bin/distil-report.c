/* distil-report.c - writes the report of an experiment: report.md and report.html, from the cells of `make experiment`.
 *
 * It runs nothing and scores nothing itself: what a cell's files do not hold is told as not run.
 */
#include "base/cli.h"
#include "base/diag.h"
#include "report/report.h"

int main(int argc, char **argv)
{
    struct report_options o = {.sentences = true};
    struct experiment e;
    struct error err = {0};
    const struct cli_option table[] = {
        {'o', "output", CLI_FOLDER, &o.output, "DIR", .help = "where report.md, report.html and the plots go"},
        {'\0', "no-sentences", CLI_UNFLAG, &o.sentences, .help = "quote no rows, where their licence forbids it"},
        CLI_END};
    const struct cli cli = {.tool = "distil-report",
                            .summary = "write the report of an experiment",
                            .usage = "-o DIR [options] EXPERIMENT",
                            .examples = "make experiment -j2 && distil-report -o report build/experiment",
                            .options = table,
                            .max_operands = 1};
    int first = cli_parse(&cli, argc, argv);
    if (first >= argc)
        cli_usage_error("which experiment? name the folder that make experiment filled");
    if (!o.output)
        cli_usage_error("where the report goes is missing: -o DIR");
    if (experiment_read(&e, argv[first], &err) < 0 || report_write(&e, &o, &err) < 0)
        die_error(&err);
    inform(0, "wrote %s/report.md and report.html: %zu students", o.output, e.n_cells);
    experiment_free(&e);
    return 0;
}
