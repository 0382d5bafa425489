/*
 * Compiles the body of a DO block, or of a function, with PL/pgSQL's own grammar and lists every SQL text in it:
 * statements, expressions, defaults of variables, queries of cursors. PL/pgSQL runs nothing else.
 *
 * The list is a row of nodes of one tag; the fields are numbered below. Not taken from pg_query's
 * JSON, which leaves out the defaults of record variables and is written where an error of
 * PostgreSQL's kind would end the process.
 */
#include "pg_query.h"
#include "pg_query_internal.h"

#include "postgres.h"
#include "miscadmin.h"
#include "plpgsql.h"

#include "parser/parser.h"

#include "stream.h"

/*
 * How pg_query makes up the pg_proc row that PL/pgSQL compiles a function from is static there, so
 * its file is included from its package; what it exports is there already and gets other names.
 */
#define NDEBUG
#define pg_query_parse_plpgsql pga_unused_parse_plpgsql
#define pg_query_free_plpgsql_parse_result pga_unused_free_plpgsql_parse_result
#include "src/pg_query_parse_plpgsql.c"

#define EXPRESSION_TAG 0xC00
#define FIELD_QUERY 1			/* string: the SQL text */
#define FIELD_MODE 2			/* raw_parser's mode for it; left out: statements */
#define FIELD_DYNAMIC 3			/* true: the text computes SQL that is then run */
#define FIELD_FETCHES 4			/* true: no text; it fetches from a cursor that may be another's */
#define FIELD_SETS_FIELD 5		/* true: no text; it sets a field of a record or row */

/* What is done with a variable. */
#define OPENED 1
#define ASSIGNED 2
#define FETCHED 4
#define SURE 8					/* opened on every way that leads here */
#define UNSURE 16				/* fetched from where it need not be */

typedef struct walk
{
	pga_stream *out;
	unsigned int statements;	/* seen so far, to be sure that none was missed */
	unsigned char *done;		/* by the variable's number */
	bool		calls;			/* there is a CALL, which assigns at run time */
	int		   *sure;			/* variables that are SURE, each once */
	int			nsure;
} walk;

static void
open_variable(walk *w, int number)
{
	w->done[number] |= OPENED;
	if (w->done[number] & SURE)
		return;
	w->done[number] |= SURE;
	w->sure[w->nsure++] = number;
}

/* What has been opened since need not have been. */
static void
forget(walk *w, int nsure)
{
	while (w->nsure > nsure)
		w->done[w->sure[--w->nsure]] &= ~SURE;
}

/* Something that the body does, beside its texts. */
static void
mark(walk *w, uint32_t field)
{
	pga_stream *out = w->out;
	size_t		at = out->length;

	pga_word(out, EXPRESSION_TAG << 4 | PGA_NODE);
	pga_word(out, 0);
	pga_string(out, FIELD_QUERY, "");
	pga_word(out, field << 4 | PGA_TRUE);
	out->words[at + 1] = (uint32_t) (out->length - at);
}

static void
expression(walk *w, const PLpgSQL_expr *expr, bool dynamic)
{
	pga_stream *out = w->out;
	size_t		at = out->length;

	if (expr == NULL)
		return;
	pga_word(out, EXPRESSION_TAG << 4 | PGA_NODE);
	pga_word(out, 0);
	pga_string(out, FIELD_QUERY, expr->query);
	if (expr->parseMode != RAW_PARSE_DEFAULT)
	{
		pga_word(out, FIELD_MODE << 4 | PGA_INT);
		pga_word(out, (uint32_t) expr->parseMode);
	}
	if (dynamic)
		pga_word(out, FIELD_DYNAMIC << 4 | PGA_TRUE);
	out->words[at + 1] = (uint32_t) (out->length - at);
}

static void
expressions(walk *w, const List *list)
{
	const ListCell *cell;

	foreach(cell, list)
		expression(w, (const PLpgSQL_expr *) lfirst(cell), false);
}

static void statement(walk *w, const PLpgSQL_stmt *stmt);

static void
statements(walk *w, const List *list)
{
	const ListCell *cell;

	foreach(cell, list)
		statement(w, (const PLpgSQL_stmt *) lfirst(cell));
}

/* Statements that need not run, or not to their end. */
static void
branch(walk *w, const List *list)
{
	int			nsure = w->nsure;

	statements(w, list);
	forget(w, nsure);
}

static void
block(walk *w, const PLpgSQL_stmt_block *node)
{
	const ListCell *cell;

	branch(w, node->body);
	if (node->exceptions == NULL)
		return;
	foreach(cell, node->exceptions->exc_list)
		branch(w, ((const PLpgSQL_exception *) lfirst(cell))->action);
}

static void
if_statement(walk *w, const PLpgSQL_stmt_if *node)
{
	const ListCell *cell;

	expression(w, node->cond, false);
	branch(w, node->then_body);
	foreach(cell, node->elsif_list)
	{
		const PLpgSQL_if_elsif *arm = lfirst(cell);

		expression(w, arm->cond, false);
		branch(w, arm->stmts);
	}
	branch(w, node->else_body);
}

static void
case_statement(walk *w, const PLpgSQL_stmt_case *node)
{
	const ListCell *cell;

	expression(w, node->t_expr, false);
	foreach(cell, node->case_when_list)
	{
		const PLpgSQL_case_when *arm = lfirst(cell);

		expression(w, arm->expr, false);
		branch(w, arm->stmts);
	}
	branch(w, node->else_stmts);
}

static void
raise_statement(walk *w, const PLpgSQL_stmt_raise *node)
{
	const ListCell *cell;

	expressions(w, node->params);
	foreach(cell, node->options)
		expression(w, ((const PLpgSQL_raise_option *) lfirst(cell))->expr, false);
}

static void
diagnostics(walk *w, const PLpgSQL_stmt_getdiag *node)
{
	const ListCell *cell;

	foreach(cell, node->diag_items)
		w->done[((const PLpgSQL_diag_item *) lfirst(cell))->target] |= ASSIGNED;
}

#define AS(type) ((const type *) stmt)

static void
statement(walk *w, const PLpgSQL_stmt *stmt)
{
	check_stack_depth();
	w->statements++;
	switch (stmt->cmd_type)
	{
		case PLPGSQL_STMT_BLOCK:
			block(w, AS(PLpgSQL_stmt_block));
			return;
		case PLPGSQL_STMT_ASSIGN:
			w->done[AS(PLpgSQL_stmt_assign)->varno] |= ASSIGNED;
			expression(w, AS(PLpgSQL_stmt_assign)->expr, false);
			return;
		case PLPGSQL_STMT_IF:
			if_statement(w, AS(PLpgSQL_stmt_if));
			return;
		case PLPGSQL_STMT_CASE:
			case_statement(w, AS(PLpgSQL_stmt_case));
			return;
		case PLPGSQL_STMT_LOOP:
			branch(w, AS(PLpgSQL_stmt_loop)->body);
			return;
		case PLPGSQL_STMT_WHILE:
			expression(w, AS(PLpgSQL_stmt_while)->cond, false);
			branch(w, AS(PLpgSQL_stmt_while)->body);
			return;
		case PLPGSQL_STMT_FORI:
			expression(w, AS(PLpgSQL_stmt_fori)->lower, false);
			expression(w, AS(PLpgSQL_stmt_fori)->upper, false);
			expression(w, AS(PLpgSQL_stmt_fori)->step, false);
			branch(w, AS(PLpgSQL_stmt_fori)->body);
			return;
		case PLPGSQL_STMT_FORS:
			expression(w, AS(PLpgSQL_stmt_fors)->query, false);
			branch(w, AS(PLpgSQL_stmt_fors)->body);
			return;
		case PLPGSQL_STMT_FORC:
			{
				int			nsure = w->nsure;

				expression(w, AS(PLpgSQL_stmt_forc)->argquery, false);
				open_variable(w, AS(PLpgSQL_stmt_forc)->curvar);
				statements(w, AS(PLpgSQL_stmt_forc)->body);
				forget(w, nsure);
				return;
			}
		case PLPGSQL_STMT_FOREACH_A:
			w->done[AS(PLpgSQL_stmt_foreach_a)->varno] |= ASSIGNED;
			expression(w, AS(PLpgSQL_stmt_foreach_a)->expr, false);
			branch(w, AS(PLpgSQL_stmt_foreach_a)->body);
			return;
		case PLPGSQL_STMT_EXIT:
			expression(w, AS(PLpgSQL_stmt_exit)->cond, false);
			return;
		case PLPGSQL_STMT_RETURN:
			expression(w, AS(PLpgSQL_stmt_return)->expr, false);
			return;
		case PLPGSQL_STMT_RETURN_NEXT:
			expression(w, AS(PLpgSQL_stmt_return_next)->expr, false);
			return;
		case PLPGSQL_STMT_RETURN_QUERY:
			expression(w, AS(PLpgSQL_stmt_return_query)->query, false);
			expression(w, AS(PLpgSQL_stmt_return_query)->dynquery, true);
			expressions(w, AS(PLpgSQL_stmt_return_query)->params);
			return;
		case PLPGSQL_STMT_RAISE:
			raise_statement(w, AS(PLpgSQL_stmt_raise));
			return;
		case PLPGSQL_STMT_ASSERT:
			expression(w, AS(PLpgSQL_stmt_assert)->cond, false);
			expression(w, AS(PLpgSQL_stmt_assert)->message, false);
			return;
		case PLPGSQL_STMT_EXECSQL:
			expression(w, AS(PLpgSQL_stmt_execsql)->sqlstmt, false);
			return;
		case PLPGSQL_STMT_DYNEXECUTE:
			expression(w, AS(PLpgSQL_stmt_dynexecute)->query, true);
			expressions(w, AS(PLpgSQL_stmt_dynexecute)->params);
			return;
		case PLPGSQL_STMT_DYNFORS:
			expression(w, AS(PLpgSQL_stmt_dynfors)->query, true);
			expressions(w, AS(PLpgSQL_stmt_dynfors)->params);
			branch(w, AS(PLpgSQL_stmt_dynfors)->body);
			return;
		case PLPGSQL_STMT_OPEN:
			open_variable(w, AS(PLpgSQL_stmt_open)->curvar);
			expression(w, AS(PLpgSQL_stmt_open)->argquery, false);
			expression(w, AS(PLpgSQL_stmt_open)->query, false);
			expression(w, AS(PLpgSQL_stmt_open)->dynquery, true);
			expressions(w, AS(PLpgSQL_stmt_open)->params);
			return;
		case PLPGSQL_STMT_FETCH:
			w->done[AS(PLpgSQL_stmt_fetch)->curvar] |= FETCHED;
			if (!(w->done[AS(PLpgSQL_stmt_fetch)->curvar] & SURE))
				w->done[AS(PLpgSQL_stmt_fetch)->curvar] |= UNSURE;
			expression(w, AS(PLpgSQL_stmt_fetch)->expr, false);
			return;
		case PLPGSQL_STMT_PERFORM:
			expression(w, AS(PLpgSQL_stmt_perform)->expr, false);
			return;
		case PLPGSQL_STMT_CALL:
			w->calls = true;
			expression(w, AS(PLpgSQL_stmt_call)->expr, false);
			return;
		case PLPGSQL_STMT_GETDIAG:
			diagnostics(w, AS(PLpgSQL_stmt_getdiag));
			return;
		case PLPGSQL_STMT_CLOSE:
		case PLPGSQL_STMT_COMMIT:
		case PLPGSQL_STMT_ROLLBACK:
			return;
	}
	elog(ERROR, "unrecognized PL/pgSQL statement type: %d", (int) stmt->cmd_type);
}

static void
variable(walk *w, const PLpgSQL_datum *datum)
{
	switch (datum->dtype)
	{
		case PLPGSQL_DTYPE_VAR:
		case PLPGSQL_DTYPE_PROMISE:
			/* a bound cursor may have its own name, which an older major gives it */
			if (((const PLpgSQL_var *) datum)->default_val != NULL
				&& ((const PLpgSQL_var *) datum)->cursor_explicit_expr == NULL)
				w->done[datum->dno] |= ASSIGNED;
			expression(w, ((const PLpgSQL_var *) datum)->default_val, false);
			expression(w, ((const PLpgSQL_var *) datum)->cursor_explicit_expr, false);
			return;
		case PLPGSQL_DTYPE_ROW:
			/* what INTO assigns to */
			for (int i = 0; i < ((const PLpgSQL_row *) datum)->nfields; i++)
				w->done[((const PLpgSQL_row *) datum)->varnos[i]] |= ASSIGNED;
			expression(w, ((const PLpgSQL_variable *) datum)->default_val, false);
			return;
		case PLPGSQL_DTYPE_REC:
			expression(w, ((const PLpgSQL_variable *) datum)->default_val, false);
			return;
		case PLPGSQL_DTYPE_RECFIELD:
			return;
	}
	elog(ERROR, "unrecognized PL/pgSQL variable type: %d", (int) datum->dtype);
}

/* NEW and OLD are rows of a relation that is changed. */
static bool
is_row_of_trigger(const PLpgSQL_function *function, int number)
{
	return function->fn_is_trigger == PLPGSQL_DML_TRIGGER
		&& (number == function->new_varno || number == function->old_varno);
}

static bool
is_bound(const PLpgSQL_datum *datum)
{
	return datum->dtype == PLPGSQL_DTYPE_VAR
		&& ((const PLpgSQL_var *) datum)->cursor_explicit_expr != NULL;
}

static void
compiled(pga_stream *out, const PLpgSQL_function *function)
{
	walk		w = {out, 0, palloc0(function->ndatums + 1), false, NULL, 0};
	bool		fetches = false;
	bool		sets_field;

	w.sure = palloc(sizeof(int) * (function->ndatums + 1));
	for (int i = 0; i < function->ndatums; i++)
		variable(&w, function->datums[i]);
	/* the caller gives them their values */
	for (int i = 0; i < function->fn_nargs; i++)
		if (function->fn_argvarnos[i] < function->ndatums)
			w.done[function->fn_argvarnos[i]] |= ASSIGNED;
	statement(&w, (const PLpgSQL_stmt *) function->action);
	sets_field = w.calls;
	for (int i = 0; i < function->ndatums; i++)
	{
		const PLpgSQL_recfield *field = (const PLpgSQL_recfield *) function->datums[i];
		bool		own = (w.done[i] & (OPENED | ASSIGNED)) == OPENED && !w.calls;

		/* an older major gives a bound cursor the variable's name, opened or not */
		if (is_bound(function->datums[i]) && (w.done[i] & UNSURE))
			own = false;
		fetches |= (w.done[i] & FETCHED) && !own;
		if (field->dtype == PLPGSQL_DTYPE_RECFIELD && (w.done[i] & ASSIGNED))
			sets_field |= !is_row_of_trigger(function, field->recparentno);
	}
	if (fetches)
		mark(&w, FIELD_FETCHES);
	if (sets_field)
		mark(&w, FIELD_SETS_FIELD);
	if (w.statements != function->nstatements)
		elog(ERROR, "%u of %u PL/pgSQL statements found", w.statements, function->nstatements);
}

/*
 * "#option dump" in front of a body makes PL/pgSQL print it to stdout, where it could pass for
 * output of ours. Options come before anything else.
 */
static void
refuse_dump(const char *body)
{
	int			depth = 0;
	const char *at = body;

	/* comments nest, and those with two dashes end with the line */
	for (; *at != '\0'; at++)
	{
		if (at[0] == '/' && at[1] == '*')
			depth++, at++;
		else if (depth > 0 && at[0] == '*' && at[1] == '/')
			depth--, at++;
		else if (depth == 0 && at[0] == '-' && at[1] == '-')
			at += strcspn(at, "\r\n") - 1;
		else if (depth == 0 && strchr(" \t\r\n\f\v", *at) == NULL)
			break;
	}
	for (; *at == '#' && *body != '\0'; body++)
	{
		if (pg_strncasecmp(body, "dump", 4) == 0)
			elog(ERROR, "a body that is dumped is not read");
	}
}

static const char *
source_of(const CreateFunctionStmt *function)
{
	foreach_ptr(DefElem, option, function->options)
	{
		if (strcmp(option->defname, "as") == 0 && IsA(option->arg, List))
			return strVal(linitial((List *) option->arg));
	}
	return "";
}

/* mode: 0 the body of a DO block, 1 a CREATE FUNCTION or PROCEDURE statement */
void
pga_write_plpgsql(pga_stream *out, const char *text, int mode)
{
	List	   *tree;
	Node	   *node;

	if (mode == 0)
	{
		refuse_dump(text);
		compiled(out, plpgsql_compile_inline((char *) text));
		return;
	}
	tree = raw_parser(text, RAW_PARSE_DEFAULT);
	node = list_length(tree) == 1 ? ((RawStmt *) linitial(tree))->stmt : NULL;
	if (node == NULL || !IsA(node, CreateFunctionStmt))
		elog(ERROR, "not a function");
	refuse_dump(source_of((CreateFunctionStmt *) node));
	compiled(out, compile_create_function_stmt_via_callback((CreateFunctionStmt *) node));
}
