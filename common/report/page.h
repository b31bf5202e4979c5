/* page.h - a document that is written twice at once: as Markdown, and as one HTML page that needs nothing else,
 * readable on a phone, in light and dark.
 *
 * Texts are plain; what Markdown and HTML would read as marks is escaped.
 */
#ifndef REPORT_PAGE_H
#define REPORT_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum { PAGE_COLUMNS = 16 };

struct page {
    struct buf markdown, html;
    bool numbers[PAGE_COLUMNS]; /* of the open table: columns of numbers */
    size_t column;
};

/* Bytes of a text that stand out. */
struct page_mark {
    size_t begin, end;
};

void page_begin(struct page *p, const char *title);
void page_heading(struct page *p, int level, const char *text);
void page_text(struct page *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A table: its columns' names with '|' between them, then rows of as many cells. Names that begin with '>' are of
 * numbers, which stand to the right. */
void page_table(struct page *p, const char *columns);
void page_cell(struct page *p, bool first, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A cell of plain text whose marks[n], in order and apart, stand out: highlighted, in Markdown bold. */
void page_cell_marked(struct page *p, bool first, const char *text, const struct page_mark *marks, size_t n);
void page_row_end(struct page *p);
void page_table_end(struct page *p);
/* A plot: svg goes into the page, Markdown names the file beside it. NULL: there is none, and that is said. */
void page_plot(struct page *p, const char *svg, const char *file, const char *caption);
/* Appends what was written on another page that was not begun. */
void page_append(struct page *p, const struct page *part);
void page_end(struct page *p);
void page_free(struct page *p);

#endif
