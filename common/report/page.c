/* page.c - see page.h. */
#include "report/page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Plots are drawn in black: in the dark they are turned over, hues kept. */
static const char style[] =
    ":root{color-scheme:light dark;--text:#1c1f23;--back:#fdfdfb;--line:#d6d9dd;--quiet:#5a626b}\n"
    ":root{--band:#f1f3f4;--mark:#ffe58a}\n"
    "body{font:16px/1.5 system-ui,sans-serif;color:var(--text);background:var(--back)}\n"
    "body{max-width:72rem;margin:0 auto;padding:1rem}\n"
    "p,figcaption{max-width:46rem}\n"
    "h1{font-size:1.6rem;line-height:1.2}\n"
    "h2{margin-top:2.2rem;border-bottom:1px solid var(--line)}\n"
    "h3{margin-top:1.6rem}\n"
    ".wide{overflow-x:auto;margin:.8rem 0}\n"
    "table{border-collapse:collapse;font-size:.87rem}\n"
    "th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}\n"
    "td{overflow-wrap:break-word;max-width:34rem}\n"
    ".n{text-align:right;font-variant-numeric:tabular-nums}\n"
    ".n,.s{white-space:nowrap}\n"
    "td.t{min-width:14rem}\n"
    "tr:nth-child(odd) td{background:var(--band)}\n"
    "mark{background:var(--mark);color:inherit;border-radius:.2rem;padding:0 .15rem}\n"
    "figure{margin:1rem 0}\n"
    "figure svg{max-width:40rem;width:100%;height:auto;border-radius:.4rem}\n"
    "figcaption{color:var(--quiet);font-size:.87rem}\n"
    "@media(max-width:40rem){body{padding:.7rem}th,td{padding:.2rem .4rem}table{font-size:.8rem}}\n"
    "@media(prefers-color-scheme:dark){:root{--text:#e4e6e8;--back:#16181b;--line:#3a3f45;--quiet:#a0a7af}\n"
    ":root{--band:#202327;--mark:#6b5708}figure svg{filter:invert(.9) hue-rotate(180deg)}}\n";

static void add_html_bytes(struct buf *b, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        switch (text[i]) {
        case '&':
            buf_addstr(b, "&amp;");
            break;
        case '<':
            buf_addstr(b, "&lt;");
            break;
        case '>':
            buf_addstr(b, "&gt;");
            break;
        case '"':
            buf_addstr(b, "&quot;");
            break;
        default:
            buf_add(b, text + i, 1);
        }
}

static void add_html(struct buf *b, const char *text)
{
    add_html_bytes(b, text, strlen(text));
}

static void add_markdown_bytes(struct buf *b, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (strchr("|*_<`\\[]", text[i]))
            buf_addstr(b, "\\");
        buf_add(b, text + i, 1);
    }
}

static void add_markdown(struct buf *b, const char *text)
{
    add_markdown_bytes(b, text, strlen(text));
}

__attribute__((format(printf, 1, 0))) static char *formatted(const char *format, va_list arguments)
{
    char *text;
    if (vasprintf(&text, format, arguments) < 0)
        return xstrdup("");
    return text;
}

void page_begin(struct page *p, const char *title)
{
    buf_addstr(&p->html, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
                         "content=\"width=device-width,initial-scale=1\">\n<title>");
    add_html(&p->html, title);
    buf_addf(&p->html, "</title>\n<style>%s</style>\n", style);
    page_heading(p, 1, title);
}

void page_heading(struct page *p, int level, const char *text)
{
    buf_addf(&p->html, "<h%d>", level);
    add_html(&p->html, text);
    buf_addf(&p->html, "</h%d>\n", level);
    buf_addf(&p->markdown, "%s%.*s ", level > 1 ? "\n" : "", level, "######");
    add_markdown(&p->markdown, text);
    buf_addstr(&p->markdown, "\n\n");
}

void page_text(struct page *p, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = formatted(format, arguments);
    va_end(arguments);
    buf_addstr(&p->html, "<p>");
    add_html(&p->html, text);
    buf_addstr(&p->html, "</p>\n");
    add_markdown(&p->markdown, text);
    buf_addstr(&p->markdown, "\n\n");
    free(text);
}

void page_table(struct page *p, const char *columns)
{
    struct buf rule = {0};
    buf_addstr(&p->html, "<div class=\"wide\"><table>\n<tr>");
    for (size_t i = 0; *columns; i++) {
        size_t len = strcspn(columns, "|");
        bool number = *columns == '>';
        if (i < PAGE_COLUMNS)
            p->numbers[i] = number;
        buf_addstr(&p->html, number ? "<th class=\"n\">" : "<th>");
        add_html_bytes(&p->html, columns + number, len - number);
        buf_addstr(&p->html, "</th>");
        buf_addstr(&p->markdown, "| ");
        add_markdown_bytes(&p->markdown, columns + number, len - number);
        buf_addstr(&p->markdown, " ");
        buf_addstr(&rule, number ? "|--:" : "|---");
        columns += len + (columns[len] == '|');
    }
    buf_addstr(&p->html, "</tr>\n");
    buf_addf(&p->markdown, "|\n%s|\n", rule.data);
    buf_free(&rule);
}

/* On a phone long texts get a column that is not squeezed to a word a line, and short ones stay on one line. */
static void begin_cell(struct page *p, bool first, size_t len)
{
    enum { SHORT_TEXT = 20, LONG_TEXT = 48 };
    p->column = first ? 0 : p->column + 1;
    bool number = p->column < PAGE_COLUMNS && p->numbers[p->column];
    const char *kind = number ? "n" : len > LONG_TEXT ? "t" : len < SHORT_TEXT ? "s" : "m";
    buf_addf(&p->html, "%s<td class=\"%s\">", first ? "<tr>" : "", kind);
    buf_addstr(&p->markdown, "| ");
}

static void end_cell(struct page *p)
{
    buf_addstr(&p->html, "</td>");
    buf_addstr(&p->markdown, " ");
}

void page_cell(struct page *p, bool first, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = formatted(format, arguments);
    va_end(arguments);
    begin_cell(p, first, strlen(text));
    add_html(&p->html, text);
    add_markdown(&p->markdown, text);
    end_cell(p);
    free(text);
}

void page_cell_marked(struct page *p, bool first, const char *text, const struct page_mark *marks, size_t n)
{
    size_t at = 0, len = strlen(text);
    begin_cell(p, first, len);
    for (size_t i = 0; i < n; i++) {
        if (marks[i].begin < at || marks[i].end <= marks[i].begin || marks[i].end > len)
            continue;
        add_html_bytes(&p->html, text + at, marks[i].begin - at);
        add_markdown_bytes(&p->markdown, text + at, marks[i].begin - at);
        buf_addstr(&p->html, "<mark>");
        buf_addstr(&p->markdown, "**");
        add_html_bytes(&p->html, text + marks[i].begin, marks[i].end - marks[i].begin);
        add_markdown_bytes(&p->markdown, text + marks[i].begin, marks[i].end - marks[i].begin);
        buf_addstr(&p->html, "</mark>");
        buf_addstr(&p->markdown, "**");
        at = marks[i].end;
    }
    add_html(&p->html, text + at);
    add_markdown(&p->markdown, text + at);
    end_cell(p);
}

void page_row_end(struct page *p)
{
    buf_addstr(&p->html, "</tr>\n");
    buf_addstr(&p->markdown, "|\n");
}

void page_table_end(struct page *p)
{
    buf_addstr(&p->html, "</table></div>\n");
    buf_addstr(&p->markdown, "\n");
}

void page_plot(struct page *p, const char *svg, const char *file, const char *caption)
{
    const char *start = svg ? strstr(svg, "<svg") : NULL; /* not the XML declaration */
    if (!start) {
        page_text(p, "(No plot of %s: gnuplot is not here, or failed.)", caption);
        return;
    }
    buf_addf(&p->html, "<figure>%s<figcaption>", start);
    add_html(&p->html, caption);
    buf_addstr(&p->html, "</figcaption></figure>\n");
    buf_addf(&p->markdown, "![%s](%s)\n\n", caption, file);
}

void page_append(struct page *p, const struct page *part)
{
    buf_add(&p->html, part->html.data, part->html.len);
    buf_add(&p->markdown, part->markdown.data, part->markdown.len);
}

void page_end(struct page *p)
{
    buf_addstr(&p->html, "</html>\n");
}

void page_free(struct page *p)
{
    buf_free(&p->markdown);
    buf_free(&p->html);
}
