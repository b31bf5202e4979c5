/* model_folder_swap.h - how a finished folder takes its place, apart from what is in it; used by model_folder.c alone.
 *
 * Names: the new folder is made at PATH.tmp-PID, an old one that had to step aside lies at PATH.old-PID.
 */
#ifndef BERT_MODEL_FOLDER_SWAP_H
#define BERT_MODEL_FOLDER_SWAP_H

#include <stdbool.h>

#include "base/error.h"

/* Puts `temporary` at path and makes that durable. `replace` and something there: the two change places in one step
 * where `exchange` is true and the file system can do it, else the old one is moved aside for a moment; then it is
 * removed. Without `replace` a path that came to be meanwhile is STATUS_USAGE. After a failure `temporary` is still
 * there. */
int folder_publish(const char *temporary, const char *path, bool replace, bool exchange, struct error *err);

/* Removes what dead processes left beside path; an old folder whose successor never came is put back. Folders of live
 * processes stay. Failures are ignored: the next write tries again. */
void folder_clean_leftovers(const char *path);

#endif
