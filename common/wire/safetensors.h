/* safetensors.h - one safetensors file or frame: read from a pipe, mapped from disk, written.
 *
 * Format: 8 bytes little-endian header length N, N bytes JSON, then the tensors' data without gaps. See
 * https://github.com/huggingface/safetensors (README, "Format"). Everything is checked before memory is taken: header
 * at most 1 MiB in a stream and 100 MiB in a file, no duplicate keys, offsets that cover the data exactly without
 * overlap or gap, shape x dtype = range, all products checked for overflow. A tensor's data is always aligned to its
 * dtype's size: where a foreign writer left it otherwise, it is copied.
 */
#ifndef WIRE_SAFETENSORS_H
#define WIRE_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/io.h"

enum st_dtype {
    ST_BOOL,
    ST_U8,
    ST_I8,
    ST_F8_E4M3,
    ST_F8_E5M2,
    ST_U16,
    ST_I16,
    ST_F16,
    ST_BF16,
    ST_U32,
    ST_I32,
    ST_F32,
    ST_U64,
    ST_I64,
    ST_F64,
    ST_DTYPES
};
enum { ST_MAX_RANK = 8 };

struct st_tensor {
    const char *name;
    enum st_dtype dtype;
    unsigned rank;
    uint64_t shape[ST_MAX_RANK];
    size_t elements; /* product of the shape */
    size_t size;     /* bytes */
    const void *data;
};

struct st_meta {
    const char *key, *value;
};

struct st_frame {
    struct st_tensor *tensors; /* by ascending data offset */
    size_t n_tensors;
    struct st_meta *metadata; /* in the order of the header */
    size_t n_metadata;
    size_t header_size; /* N */
    /* storage, released by st_release */
    void *names, *data, *mapping;
    size_t data_capacity, mapping_size;
};

/* Bytes that were read from an input before its frames were; they come first. */
struct st_ahead {
    char *data; /* owned */
    size_t begin, end;
};

const char *st_dtype_name(enum st_dtype dtype); /* "F32" */
size_t st_dtype_size(enum st_dtype dtype);

/* The next frame of a stream: 1 read, 0 the input ended before its first byte, -1 failure (a cut frame too). Memory of
 * an earlier frame in *frame is reused. Data over `data_cap` bytes is refused. Data lies 64-byte aligned. If the input
 * starts with '{' the error says "looks like NDJSON; run wp-tokenize first". */
int st_read(struct st_frame *frame, struct input *in, size_t data_cap, struct error *err);
/* Maps a file of one frame read-only; trailing bytes are an error. */
int st_map(struct st_frame *frame, const char *path, struct error *err);
/* Lets go of the memory that the pages of a mapped file take; they come back, from the file, when they are read. */
void st_let_go(const struct st_frame *frame);
/* Frees or unmaps; the struct can be used again. */
void st_release(struct st_frame *frame);

const struct st_tensor *st_find(const struct st_frame *frame, const char *name);
const char *st_metadata(const struct st_frame *frame, const char *key);

/* Writes one frame. Tensors need name, dtype, rank, shape and data; elements and size are computed. Order on the wire:
 * descending element size, then name, so that each is aligned inside the frame; the header is padded with spaces to a
 * multiple of 8. Keys of metadata must be unique. */
int st_write(struct output *out, const struct st_tensor *tensors, size_t n_tensors, const struct st_meta *metadata,
             size_t n_metadata);

#endif
