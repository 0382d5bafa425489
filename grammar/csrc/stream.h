/*
 * The event stream that the shim hands to Rust: 32-bit words in one malloc'ed buffer.
 *
 * A word's low four bits say what it is, so a reader can step over anything. Numbers are in the
 * machine's own order; both sides run in one process.
 *
 *   NODE   tag << 4 | 0, then the node's whole length in words (these two included), then its
 *          fields. A NULL in a list is a node of tag 0.
 *   others field << 4 | kind, then the kind's payload as below.
 */
#ifndef PGA_STREAM_H
#define PGA_STREAM_H

#include <stddef.h>
#include <stdint.h>

enum pga_kind
{
	PGA_NODE = 0,
	PGA_INT = 1,				/* one word, signed */
	PGA_TRUE = 2,				/* nothing; false is left out */
	PGA_ENUM = 3,				/* one word, as numbered by _enumToInt… */
	PGA_STRING = 4,				/* length in bytes, then the bytes, padded to words */
	PGA_CHILD = 5,				/* nothing; the next word begins a node */
	PGA_LIST = 6,				/* number of items, their length in words; the items, each a node */
	PGA_CHAR = 7,				/* one word */
	PGA_WIDE = 8				/* two words, low half first */
};

typedef struct pga_stream
{
	uint32_t   *words;
	size_t		length;
	size_t		capacity;
} pga_stream;

/* What a call hands back. Either words or message is NULL; both are malloc'ed. */
typedef struct pga_result
{
	uint32_t   *words;
	size_t		length;
	char	   *message;
	int			position;		/* in characters from 1; 0: unknown */
} pga_result;

extern void pga_reserve(pga_stream *out, size_t words);
extern void pga_string(pga_stream *out, uint32_t field, const char *value);

static inline void
pga_word(pga_stream *out, uint32_t word)
{
	if (out->length == out->capacity)
		pga_reserve(out, 1);
	out->words[out->length++] = word;
}

typedef void (*pga_body) (pga_stream *out, const char *text, int mode);

/* Runs body with PostgreSQL's errors caught. text need not end with a NUL. */
extern pga_result pga_run(pga_body body, const char *text, size_t length, int mode);

#endif
