/*
 * Runs PostgreSQL's raw parser and writes the parse tree, whole, into a flat stream.
 *
 * The writer is driven by the node definitions that pg_query generates from PostgreSQL's own
 * headers (pg_query_outfuncs_defs.c, by way of the WRITE_ macros below). So every field of every
 * node is there, and no place where a statement can nest has to be remembered here. Nothing is
 * judged in C.
 */
#include "pg_query.h"
#include "pg_query_internal.h"

#include "postgres.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "nodes/value.h"
#include "parser/parser.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include <stdlib.h>
#include <string.h>

#include "stream.h"
#include "pga_fields.h"

/* Makes room for some more words; an error of PostgreSQL's kind if there is none. */
void
pga_reserve(pga_stream *out, size_t words)
{
	size_t		capacity = out->capacity;
	uint32_t   *grown;

	if (out->length + words <= capacity)
		return;
	while (capacity < out->length + words)
		capacity *= 2;
	/* lengths inside the stream are 32-bit numbers */
	if (capacity > UINT32_MAX)
		elog(ERROR, "parse tree is too large");
	grown = realloc(out->words, capacity * sizeof(uint32_t));
	if (grown == NULL)
		elog(ERROR, "out of memory");
	out->words = grown;
	out->capacity = capacity;
}

void
pga_string(pga_stream *out, uint32_t field, const char *value)
{
	size_t		length = strlen(value);
	size_t		words = (length + 3) / 4;

	pga_reserve(out, words + 2);
	out->words[out->length++] = field << 4 | PGA_STRING;
	out->words[out->length++] = (uint32_t) length;
	if (words > 0)
		out->words[out->length + words - 1] = 0;
	memcpy(out->words + out->length, value, length);
	out->length += words;
}

static inline size_t
begin_node(pga_stream *out, uint32_t tag)
{
	size_t		at = out->length;

	pga_reserve(out, 2);
	out->words[out->length++] = tag << 4 | PGA_NODE;
	out->words[out->length++] = 2;
	return at;
}

static inline void
end_node(pga_stream *out, size_t at)
{
	out->words[at + 1] = (uint32_t) (out->length - at);
}

static inline void
number(pga_stream *out, uint32_t field, uint32_t kind, uint32_t value)
{
	pga_reserve(out, 2);
	out->words[out->length++] = field << 4 | kind;
	out->words[out->length++] = value;
}

static inline void
wide(pga_stream *out, uint32_t field, uint64_t value)
{
	number(out, field, PGA_WIDE, (uint32_t) value);
	pga_word(out, (uint32_t) (value >> 32));
}

static void write_node(pga_stream *out, const void *obj);
static void write_list(pga_stream *out, uint32_t field, const List *list);

#define FIELD(name) PGA_FIELD_##name

#define OUT_TYPE(typename, typename_c) pga_stream *
#define OUT_NODE(typename, typename_c, typename_underscore, typename_underscore_upcase, typename_cast, fldname) \
	_out##typename_c(out, (const typename_cast *) obj);

/* Zero, false and NULL are left out: a reader takes an absent field as that. */
#define WRITE_INT_FIELD(msgtype, outname, outname_json, fldname) \
	if (node->fldname != 0) number(out, FIELD(fldname), PGA_INT, (uint32_t) node->fldname);
#define WRITE_UINT_FIELD(msgtype, outname, outname_json, fldname) \
	if (node->fldname != 0) number(out, FIELD(fldname), PGA_INT, (uint32_t) node->fldname);
#define WRITE_UINT64_FIELD(msgtype, outname, outname_json, fldname) \
	if (node->fldname != 0) wide(out, FIELD(fldname), (uint64_t) node->fldname);
#define WRITE_LONG_FIELD(msgtype, outname, outname_json, fldname) \
	if (node->fldname != 0) wide(out, FIELD(fldname), (uint64_t) node->fldname);
/* planner's estimates; no raw parse tree has one */
#define WRITE_FLOAT_FIELD(msgtype, outname, outname_json, fldname)
#define WRITE_BITMAPSET_FIELD(msgtype, outname, outname_json, fldname)
#define WRITE_CHAR_FIELD(msgtype, outname, outname_json, fldname) \
	if (node->fldname != 0) number(out, FIELD(fldname), PGA_CHAR, (unsigned char) node->fldname);
#define WRITE_ENUM_FIELD(msgtype, enumtype, outname, outname_json, fldname) \
	number(out, FIELD(fldname), PGA_ENUM, (uint32_t) _enumToInt##enumtype(node->fldname));
#define WRITE_BOOL_FIELD(msgtype, outname, outname_json, fldname) \
	if (node->fldname) pga_word(out, FIELD(fldname) << 4 | PGA_TRUE);
#define WRITE_STRING_FIELD(msgtype, outname, outname_json, fldname) \
	if (node->fldname != NULL) pga_string(out, FIELD(fldname), node->fldname);
#define WRITE_LIST_FIELD(msgtype, outname, outname_json, fldname) \
	if (node->fldname != NULL) write_list(out, FIELD(fldname), node->fldname);
#define WRITE_NODE_PTR_FIELD(msgtype, outname, outname_json, fldname) \
	if (node->fldname != NULL) { \
		pga_word(out, FIELD(fldname) << 4 | PGA_CHILD); \
		write_node(out, node->fldname); \
	}
#define WRITE_SPECIFIC_NODE_PTR_FIELD(msgtype, typename, typename_underscore, outname, outname_json, fldname) \
	WRITE_NODE_PTR_FIELD(msgtype, outname, outname_json, fldname)
/* An embedded node (the CreateStmt of CREATE FOREIGN TABLE) carries the tag of what it is in. */
#define WRITE_SPECIFIC_NODE_FIELD(msgtype, typename, typename_underscore, outname, outname_json, fldname) \
	{ \
		size_t		embedded; \
		pga_word(out, FIELD(fldname) << 4 | PGA_CHILD); \
		embedded = begin_node(out, T_##typename); \
		_out##typename(out, &node->fldname); \
		end_node(out, embedded); \
	}
#define WRITE_NODE_FIELD(msgtype, outname, outname_json, fldname) \
	{ \
		pga_word(out, FIELD(fldname) << 4 | PGA_CHILD); \
		write_node(out, &node->fldname); \
	}

static void
_outInteger(pga_stream *out, const Integer *node)
{
	WRITE_INT_FIELD(Integer, ival, ival, ival);
}

static void
_outFloat(pga_stream *out, const Float *node)
{
	WRITE_STRING_FIELD(Float, fval, fval, fval);
}

static void
_outBoolean(pga_stream *out, const Boolean *node)
{
	WRITE_BOOL_FIELD(Boolean, boolval, boolval, boolval);
}

static void
_outString(pga_stream *out, const String *node)
{
	WRITE_STRING_FIELD(String, sval, sval, sval);
}

static void
_outBitString(pga_stream *out, const BitString *node)
{
	WRITE_STRING_FIELD(BitString, bsval, bsval, bsval);
}

static void
_outAConst(pga_stream *out, const A_Const *node)
{
	if (node->isnull)
		pga_word(out, FIELD(isnull) << 4 | PGA_TRUE);
	else
	{
		pga_word(out, FIELD(val) << 4 | PGA_CHILD);
		write_node(out, &node->val);
	}
}

/* A List that stands where a node is expected (a list of lists). */
static void
_outList(pga_stream *out, const List *node)
{
	write_list(out, FIELD(items), node);
}

static void
_outIntList(pga_stream *out, const List *node)
{
	const ListCell *cell;

	foreach(cell, node)
		number(out, FIELD(items), PGA_INT, (uint32_t) lfirst_int(cell));
}

static void
_outOidList(pga_stream *out, const List *node)
{
	_outIntList(out, node);
}

#include "pg_query_enum_defs.c"
#include "pg_query_outfuncs_defs.c"

static void
write_node(pga_stream *out, const void *obj)
{
	size_t		at;

	check_stack_depth();
	if (obj == NULL)
	{
		begin_node(out, 0);
		return;
	}
	at = begin_node(out, (uint32_t) nodeTag(obj));
	switch (nodeTag(obj))
	{
#include "pg_query_outfuncs_conds.c"

		default:
			/* something not understood is an error, never a gap */
			elog(ERROR, "unrecognized node type: %d", (int) nodeTag(obj));
	}
	end_node(out, at);
}

static void
write_list(pga_stream *out, uint32_t field, const List *list)
{
	const ListCell *cell;
	size_t		at;

	/* lists of integers or OIDs keep their kind only as a node */
	if (!IsA(list, List))
	{
		pga_word(out, field << 4 | PGA_CHILD);
		write_node(out, list);
		return;
	}
	pga_reserve(out, 3);
	out->words[out->length++] = field << 4 | PGA_LIST;
	out->words[out->length++] = (uint32_t) list_length(list);
	at = out->length++;
	foreach(cell, list)
		write_node(out, lfirst(cell));
	out->words[at] = (uint32_t) (out->length - at - 1);
}

/*
 * Warnings about the text (GLOBAL is deprecated, …) are the server's to give; here they would be
 * printed to stderr. An ERROR is caught whatever the level.
 */
static void
keep_quiet(void)
{
	log_min_messages = PANIC;
}

pga_result
pga_run(pga_body body, const char *text, size_t length, int mode)
{
	pga_result	result = {0};
	/* changed between setjmp and longjmp, hence not a plain local */
	pga_stream *volatile stream = calloc(1, sizeof(pga_stream));
	MemoryContext context;

	if (stream == NULL)
		return result;
	stream->capacity = 1024;
	stream->words = malloc(stream->capacity * sizeof(uint32_t));
	if (stream->words == NULL)
	{
		free(stream);
		return result;
	}

	/* also measures how much stack is left, for check_stack_depth() */
	context = pg_query_enter_memory_context();

	PG_TRY();
	{
		char	   *copy;

		keep_quiet();
		copy = palloc(length + 1);

		memcpy(copy, text, length);
		copy[length] = '\0';
		body(stream, copy, mode);
		result.words = stream->words;
		result.length = stream->length;
		stream->words = NULL;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		result.message = strdup(error->message ? error->message : "unknown error");
		result.position = error->cursorpos;
	}
	PG_END_TRY();

	pg_query_exit_memory_context(context);
	free(stream->words);
	free(stream);
	return result;
}

static void
parse_sql(pga_stream *out, const char *text, int mode)
{
	List	   *tree = raw_parser(text, (RawParseMode) mode);
	const ListCell *cell;

	foreach(cell, tree)
		write_node(out, lfirst(cell));
}

/* mode: 0 statements, 1 a type name, 2 a PL/pgSQL expression, 3 to 5 its assignments */
pga_result
pga_parse(const char *text, size_t length, int mode)
{
	return pga_run(parse_sql, text, length, mode);
}

extern void pga_write_plpgsql(pga_stream *out, const char *text, int mode);

pga_result
pga_parse_plpgsql(const char *text, size_t length, int mode)
{
	return pga_run(pga_write_plpgsql, text, length, mode);
}

void
pga_free(void *memory)
{
	free(memory);
}
