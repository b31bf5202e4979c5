/* unicode_exceptions.h - the code points for which Hugging Face's tokenizers and libutf8proc (current Unicode)
 * disagree.
 *
 * tokenizers holds the categories of Unicode 8 and the normalisation of Unicode 9; what was added later is an ordinary
 * letter to it: marks that it does not strip (such as U+08CA-U+08E1), punctuation that it does not split (such as
 * U+2E43-U+2E4F), format characters that it keeps (U+0890), combining characters that it does not reorder, composed
 * characters that it does not decompose (U+11938). U+166D, U+1734, U+1171E and U+111C9 have changed their category
 * since. Its lower case is newer than libutf8proc 2.8's (56 letters of Unicode 15.1 to 17). The tables are generated:
 * see the .c file.
 */
#ifndef TEXT_UNICODE_EXCEPTIONS_H
#define TEXT_UNICODE_EXCEPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "text/unicode.h"

/* All tables ascend. */
struct unicode_range {
    uint32_t first, last;
};
struct unicode_class_change {
    uint32_t code_point;
    enum unicode_class class;
};
struct unicode_lower_change {
    uint32_t first, last;
    int32_t delta; /* lower case = code point + delta */
};

extern const struct unicode_range unicode_plain[]; /* class UNICODE_WORD whatever libutf8proc says */
extern const size_t unicode_plain_count;
extern const struct unicode_class_change unicode_class_changes[];
extern const size_t unicode_class_changes_count;
extern const struct unicode_range unicode_uncombined[]; /* combining class 0, no decomposition */
extern const size_t unicode_uncombined_count;
extern const struct unicode_lower_change unicode_lower_changes[];
extern const size_t unicode_lower_changes_count;

#endif
