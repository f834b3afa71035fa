"""MySQL takes the beginning of an index's name for the name, and fails where there are two of them."""

import re
from itertools import product

from sqlalchemy.dialects import mysql

from adapters.sql import execution_statements
from adapters.sql.dashboard_queries import (
    LISTED_DELAYED,
    LISTED_RUNNING,
    LISTED_RUNNING_OF_ALL,
    LISTED_WAITING,
    ended_statement,
)
from adapters.sql.fair_claim import ALONE, walk_statement
from adapters.sql.job_pages import (
    PageShape,
    count_statement,
    last_key_statement,
    next_tag_statement,
    page_statement,
    walks,
)
from adapters.sql.project_repository import COUNT_PROJECTS, last_project_statement, projects_statement
from adapters.sql.tables import job_tags, metadata
from application.lists import ProjectOrder
from domain.job_lifecycle import Phase

FORCED = re.compile(r"FORCE INDEX \((\w+)\)")
NAMES = {"PRIMARY", *(index.name for table in metadata.tables.values() for index in table.indexes)}
RUNNING = frozenset({Phase.RUNNING})


def statements():
    yield ended_statement(2)
    yield from (LISTED_WAITING, LISTED_DELAYED, LISTED_RUNNING, LISTED_RUNNING_OF_ALL)
    yield from (execution_statements.NEXT, execution_statements.NEXT_IN, execution_statements.RUNNING)
    yield ALONE
    yield COUNT_PROJECTS
    for order in ProjectOrder:
        yield projects_statement(order, searches=True, goes_on=True)
        yield last_project_statement(order, goes_on=True)
    for column, of_project in product((job_tags.c.name, job_tags.c.value), (False, True)):
        yield next_tag_statement(column, of_project=of_project, follows=True)
    yield from (walk_statement(2, in_language=in_language) for in_language in (False, True))
    flag = (False, True)
    for project, statuses, phases, language, tags, ids, search in product(
        flag, (0, 1, 2), (frozenset(), RUNNING), flag, (0, 1, 2), flag, flag
    ):
        if 2 in {statuses, tags} and (phases or ids or search):
            continue
        shape = PageShape(
            project=project,
            statuses=statuses,
            phases=phases,
            language=language,
            tags=tags,
            ids=ids,
            search=search,
            after=False,
            before=False,
            cursor=False,
            oldest=False,
        )
        yield count_statement(shape)
        for walk in walks(shape):
            yield page_statement(shape, walk)
            yield last_key_statement(shape, walk)


def test_every_forced_index_is_one_of_the_tables():
    dialect = mysql.dialect()
    texts = [str(statement.compile(dialect=dialect)) for statement in statements()]
    forced = {name for text in texts for name in FORCED.findall(text)}
    assert len(forced) > 5
    assert forced <= NAMES
