/* hub.h - where a MODEL is: a folder, a file, or a Hugging Face Hub name looked up in the local cache.
 *
 * Nothing is ever fetched here. Cache layout: $HF_HUB_CACHE, else $HF_HOME/hub, else $XDG_CACHE_HOME/huggingface/hub,
 * else
 * ~/.cache/huggingface/hub; in it models--ORG--NAME/refs/main holds a commit, snapshots/COMMIT the files. A short name
 * (bert-base-uncased) is also looked up under its full one (google-bert/bert-base-uncased).
 */
#ifndef BASE_HUB_H
#define BASE_HUB_H

#include "base/error.h"

/* The folder or file that MODEL names, freed by the caller; NULL with STATUS_USAGE, and then the text names the command
 * that fetches it (`pipelines/fetch-model NAME`). */
char *hub_resolve(const char *model, struct error *err);

#endif
