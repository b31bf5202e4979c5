/* stream_kinds.h - constants of distil-stream(5) that its reader and its writer share; no interface for others. */
#ifndef WIRE_STREAM_KINDS_H
#define WIRE_STREAM_KINDS_H

#define STREAM_SCHEMA "tokens/1"
#define STREAM_DATA_CAP ((size_t)1 << 30)

#endif
