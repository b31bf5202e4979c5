/* safetensors_frame.h - what the files of the safetensors reader share; no interface for others. */
#ifndef WIRE_SAFETENSORS_FRAME_H
#define WIRE_SAFETENSORS_FRAME_H

#include "base/buf.h"
#include "wire/json.h"
#include "wire/safetensors.h"

/* Behind st_frame.names: the parsed header, whose strings are the names, and its text where it was read. */
struct st_storage {
    struct json doc;
    struct buf text;
    size_t tensors_cap, metadata_cap;
};

enum { ST_CUT = -2 };

struct st_storage *st_storage(struct st_frame *frame);
/* Parses and checks a header into frame, tensors' data being offsets still. *data_size is what must follow. `where`
 * begins each message. */
int st_parse_header(struct st_frame *frame, const char *text, size_t len, const char *where, size_t *data_size,
                    struct error *err);
/* st_read with the bytes `ahead` (may be NULL) first and `where` before each message. ST_CUT where the input ends
 * inside the frame; err then says so. */
int st_read_ahead(struct st_frame *frame, struct input *in, struct st_ahead *ahead, const char *where, size_t data_cap,
                  struct error *err);

#endif
