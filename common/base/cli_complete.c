/* cli_complete.c - completion scripts for bash, zsh and fish out of the option table. The scripts need nothing but the
 * shell itself. */
#include "base/cli_table.h"

#include <assert.h>
#include <string.h>

#include "base/diag.h"

/* The tool's name as part of a shell function's name. */
static void add_function_name(struct buf *text, const char *tool)
{
    buf_addch(text, '_');
    for (; *tool; tool++)
        buf_addch(text, *tool == '-' ? '_' : *tool);
}

/* "a|b|c" with another separator. */
static void add_choices(struct buf *text, const char *choices, char separator)
{
    for (; *choices; choices++)
        buf_addch(text, *choices == '|' ? separator : *choices);
}

/* ---- bash ---- */

static void add_bash_case(struct buf *text, const struct cli_option *o)
{
    buf_addstr(text, "    ");
    if (o->letter)
        buf_addf(text, "-%c|", o->letter);
    buf_addf(text, "--%s)\n", o->name);
    if (o->choices) {
        buf_addstr(text, "        mapfile -t COMPREPLY < <(compgen -W '");
        add_choices(text, o->choices, ' ');
        buf_addstr(text, "' -- \"$cur\")\n");
    } else if (o->type == CLI_FILE || o->type == CLI_FOLDER) {
        buf_addstr(text, "        compopt -o filenames\n");
        buf_addf(text, "        mapfile -t COMPREPLY < <(compgen -%c -- \"$cur\")\n", o->type == CLI_FILE ? 'f' : 'd');
    }
    buf_addstr(text, "        return ;;\n");
}

static void add_bash(struct buf *text, const struct cli *cli)
{
    const struct cli_option *o;
    buf_addf(text, "# bash completion for %s, printed by: %s --completions bash\n", cli->tool, cli->tool);
    add_function_name(text, cli->tool);
    buf_addstr(text, "()\n{\n"
                     "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                     "    COMPREPLY=()\n"
                     "    # --option=value arrives as three words\n"
                     "    if [[ $cur == '=' ]]; then\n"
                     "        cur=''\n"
                     "    elif [[ $prev == '=' && COMP_CWORD -ge 2 ]]; then\n"
                     "        prev=${COMP_WORDS[COMP_CWORD-2]}\n"
                     "    fi\n"
                     "    case $prev in\n");
    for (size_t i = 0; (o = cli_row(cli, i)) != NULL; i++)
        if (cli_takes_value(o))
            add_bash_case(text, o);
    buf_addstr(text, "    esac\n    if [[ $cur == -* ]]; then\n        mapfile -t COMPREPLY < <(compgen -W '");
    for (size_t i = 0; (o = cli_row(cli, i)) != NULL; i++) {
        buf_addf(text, "%s--%s", i ? " " : "", o->name);
        if (o->letter)
            buf_addf(text, " -%c", o->letter);
    }
    buf_addstr(text, "' -- \"$cur\")\n");
    if (cli->max_operands != 0)
        buf_addstr(text, "    else\n        compopt -o filenames\n"
                         "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n");
    buf_addstr(text, "    fi\n}\ncomplete -F ");
    add_function_name(text, cli->tool);
    buf_addf(text, " %s\n", cli->tool);
}

/* ---- zsh ---- */

/* Within single quotes, and within _arguments' own brackets and colons. */
static void add_zsh_text(struct buf *text, const char *s)
{
    for (; *s; s++) {
        if (*s == '\'')
            buf_addstr(text, "'\\''");
        else if (strchr("[]:\\", *s))
            buf_addf(text, "\\%c", *s);
        else
            buf_addch(text, *s);
    }
}

static void add_zsh_action(struct buf *text, const struct cli_option *o)
{
    buf_addch(text, ':');
    add_zsh_text(text, o->argument ? o->argument : "VALUE");
    buf_addch(text, ':');
    if (o->choices) {
        buf_addch(text, '(');
        add_choices(text, o->choices, ' ');
        buf_addch(text, ')');
    } else if (o->type == CLI_FILE) {
        buf_addstr(text, "_files");
    } else if (o->type == CLI_FOLDER) {
        buf_addstr(text, "_files -/");
    }
}

static void add_zsh(struct buf *text, const struct cli *cli)
{
    const struct cli_option *o;
    buf_addf(text, "#compdef %s\n# zsh completion for %s, printed by: %s --completions zsh\n", cli->tool, cli->tool,
             cli->tool);
    buf_addstr(text, "_arguments -S \\\n");
    for (size_t i = 0; (o = cli_row(cli, i)) != NULL; i++) {
        buf_addstr(text, "    ");
        bool value = cli_takes_value(o);
        if (o->letter)
            buf_addf(text, "'*'{-%c%s,--%s%s}'[", o->letter, value ? "+" : "", o->name, value ? "=" : "");
        else
            buf_addf(text, "'*--%s%s[", o->name, value ? "=" : "");
        add_zsh_text(text, o->help);
        buf_addch(text, ']');
        if (value)
            add_zsh_action(text, o);
        buf_addstr(text, "' \\\n");
    }
    buf_addf(text, "    %s\n", cli->max_operands != 0 ? "'*:file:_files'" : "&& return 0");
}

/* ---- fish ---- */

static void add_fish_text(struct buf *text, const char *s)
{
    for (; *s; s++) {
        if (*s == '\'' || *s == '\\')
            buf_addch(text, '\\');
        buf_addch(text, *s);
    }
}

static void add_fish(struct buf *text, const struct cli *cli)
{
    const struct cli_option *o;
    buf_addf(text, "# fish completion for %s, printed by: %s --completions fish\n", cli->tool, cli->tool);
    if (cli->max_operands == 0)
        buf_addf(text, "complete -c %s -f\n", cli->tool);
    for (size_t i = 0; (o = cli_row(cli, i)) != NULL; i++) {
        buf_addf(text, "complete -c %s", cli->tool);
        if (o->letter)
            buf_addf(text, " -s %c", o->letter);
        buf_addf(text, " -l %s", o->name);
        if (o->choices) {
            buf_addstr(text, " -x -a '");
            add_choices(text, o->choices, ' ');
            buf_addch(text, '\'');
        } else if (o->type == CLI_FILE) {
            buf_addstr(text, " -r -F");
        } else if (o->type == CLI_FOLDER) {
            buf_addstr(text, " -x -a '(__fish_complete_directories)'");
        } else if (cli_takes_value(o)) {
            buf_addstr(text, " -x");
        }
        buf_addstr(text, " -d '");
        add_fish_text(text, o->help);
        buf_addstr(text, "'\n");
    }
}

void cli_completion(const struct cli *cli, const char *shell, struct buf *text)
{
    if (strcmp(shell, "bash") == 0)
        add_bash(text, cli);
    else if (strcmp(shell, "zsh") == 0)
        add_zsh(text, cli);
    else
        add_fish(text, cli);
}
