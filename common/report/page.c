/* page.c - see page.h. */
#include "report/page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const char style[] =
    ":root{color-scheme:light dark;--text:#1c1f23;--back:#fdfdfb;--line:#d6d9dd;--quiet:#5a626b;--band:#f1f3f4}"
    "@media(prefers-color-scheme:dark){:root{--text:#e4e6e8;--back:#16181b;--line:#3a3f45;--quiet:#a0a7af;"
    "--band:#202327}}"
    "body{font:16px/1.5 system-ui,sans-serif;color:var(--text);background:var(--back);max-width:62rem;margin:0 auto;"
    "padding:1rem}h1{font-size:1.6rem;line-height:1.2}h2{margin-top:2.2rem;border-bottom:1px solid var(--line)}"
    "h3{margin-top:1.6rem}.wide{overflow-x:auto;margin:.8rem 0}table{border-collapse:collapse;font-size:.87rem}"
    "th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}tr:nth-child(even) td{background:"
    "var(--band)}pre{overflow-x:auto;background:var(--band);padding:.6rem;font-size:.8rem}figure{margin:1rem 0}"
    "figure svg{max-width:100%;height:auto;background:#fff;border-radius:.4rem}figcaption{color:var(--quiet);"
    "font-size:.87rem}";

static void add_html(struct buf *b, const char *text)
{
    for (; *text; text++)
        switch (*text) {
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
            buf_add(b, text, 1);
        }
}

static void add_markdown(struct buf *b, const char *text)
{
    for (; *text; text++) {
        if (strchr("|*_<`\\", *text))
            buf_addstr(b, "\\");
        buf_add(b, text, 1);
    }
}

static char *formatted(const char *format, va_list arguments)
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
    while (*columns) {
        size_t len = strcspn(columns, "|");
        bool number = *columns == '>';
        char *name = xmalloc(len + 1);
        memcpy(name, columns + number, len - number);
        name[len - number] = '\0';
        buf_addf(&p->html, "<th%s>", number ? " class=\"n\"" : "");
        add_html(&p->html, name);
        buf_addstr(&p->html, "</th>");
        buf_addstr(&p->markdown, "| ");
        add_markdown(&p->markdown, name);
        buf_addstr(&p->markdown, " ");
        buf_addstr(&rule, number ? "|--:" : "|---");
        free(name);
        columns += len + (columns[len] == '|');
    }
    buf_addstr(&p->html, "</tr>\n");
    buf_addf(&p->markdown, "|\n%s|\n", rule.data);
    buf_free(&rule);
}

/* Numbers, and what stands for one that there is not. */
static bool is_number(const char *text)
{
    return *text && strspn(text, "0123456789.,+-–%/ ()to±") == strlen(text);
}

void page_cell(struct page *p, bool first, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = formatted(format, arguments);
    va_end(arguments);
    buf_addf(&p->html, "%s<td%s>", first ? "<tr>" : "", is_number(text) ? " class=\"n\"" : "");
    add_html(&p->html, text);
    buf_addstr(&p->html, "</td>");
    buf_addstr(&p->markdown, "| ");
    add_markdown(&p->markdown, text);
    buf_addstr(&p->markdown, " ");
    free(text);
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

void page_code(struct page *p, const char *text)
{
    buf_addstr(&p->html, "<pre>");
    add_html(&p->html, text);
    buf_addstr(&p->html, "</pre>\n");
    buf_addf(&p->markdown, "```\n%s%s```\n\n", text, *text && text[strlen(text) - 1] == '\n' ? "" : "\n");
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
