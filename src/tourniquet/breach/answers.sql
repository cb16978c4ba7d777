-- From what a review has found to the files of its answer (breach/answers.py). Given are `paths`
-- (a row for each path), `fragments`, `exposed`, `links`, `decided` and the index's `people`.

-- The controller of a fragment: what the data say; else the practice of the person it is tied to.
CREATE TABLE tied AS
SELECT l.content, l.number, l.row, l.probability, e.categories, e.sensitive,
    CASE WHEN e.controller <> '' OR e.conflict <> '' THEN e.controller ELSE p.practice END
        AS controller
FROM links l
JOIN decided d ON d.row = l.row
JOIN exposed e ON e.content = l.content AND e.number = l.number
JOIN people p ON p.row = l.row
WHERE d.decision <> '';

-- Every path of a content counts: a copy is another place where it was exposed.
CREATE TABLE evidence AS
SELECT p.person, f.path, g.place AS locator,
    array_to_string(list_sort(list_distinct(x.fields)), ';') AS fields,
    t.probability, array_to_string(t.categories, ';') AS categories, t.controller,
    t.row, t.content, t.number, t.sensitive
FROM tied t
JOIN people p ON p.row = t.row
JOIN fragments g ON g.content = t.content AND g.number = t.number
JOIN written x ON x.content = t.content AND x.number = t.number
JOIN paths f ON f.sha256 = t.content;

CREATE TABLE affected AS
SELECT p.person, d.decision, d.probability,
    count(DISTINCT e.path) AS files, count(*) AS fragments,
    -- in the order in which INTERFACES names them
    array_to_string(list_filter(
        ['name', 'birth_date', 'nhs_number', 'local_number', 'address', 'contact', 'request',
         'result', 'narrative'],
        lambda one: list_contains(string_split(string_agg(e.categories, ';'), ';'), one)), ';')
        AS categories,
    array_to_string(list_sort(list_distinct(flatten(list(e.sensitive)))), ';') AS sensitive,
    array_to_string(list_sort(list_distinct(list(e.controller)
        FILTER (WHERE e.controller <> ''))), ';') AS controllers
FROM decided d
JOIN people p ON p.row = d.row
JOIN evidence e ON e.row = d.row
WHERE d.decision <> ''
GROUP BY p.person, d.decision, d.probability, d.row;

-- Personal data of somebody whom the index does not tell: tied to nobody, or to nobody decided on.
CREATE TABLE unresolved AS
SELECT left(g.content, 12) || '-' || g.number AS fragment, f.path, g.place AS locator,
    array_to_string(list_sort(list_distinct(x.fields)), ';') AS fields,
    e.controller, n.why, g.content, g.number
FROM nobody n
JOIN fragments g ON g.content = n.content AND g.number = n.number
JOIN written x ON x.content = n.content AND x.number = n.number
JOIN exposed e ON e.content = n.content AND e.number = n.number
JOIN paths f ON f.sha256 = n.content;
