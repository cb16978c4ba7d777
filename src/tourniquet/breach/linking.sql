-- From fragments and an index to links (breach/linking.py runs the sections in turn, by their names).
-- Levels and rules are those of breach/scoring.py; a test holds both to the same answers.

-- == words
-- Values come in one form (breach/canonical.py); here they are only cut into words.

CREATE MACRO plain(x) AS strip_accents(upper(x));
CREATE MACRO key_of(x) AS regexp_replace(plain(x), '[^A-Z]', '', 'g');
CREATE MACRO words_of(x) AS list_filter(
    list_transform(string_split(translate(plain(x), '-_/,.;', '      '), ' '),
        lambda w: regexp_replace(w, '[^A-Z]', '', 'g')),
    lambda w: w <> '' AND NOT list_contains(getvariable('titles'), w));
CREATE MACRO all_words(xs) AS flatten(list_transform(xs, lambda x: words_of(x)));
CREATE MACRO joined(ws) AS list_transform(list_zip(ws[:-2], ws[2:]), lambda z: z[1] || z[2]);
CREATE MACRO place_of(x) AS CASE WHEN regexp_matches(upper(x), '[0-9]+[A-Z]?\W+[A-Z]+')
    THEN regexp_extract(upper(x), '([0-9]+[A-Z]?)\W+([A-Z]+)', 1) || ' '
        || regexp_extract(upper(x), '([0-9]+[A-Z]?)\W+([A-Z]+)', 2) ELSE '' END;
CREATE MACRO swapped(d) AS CASE WHEN day(d) <= 12 AND day(d) <> month(d)
    THEN make_date(year(d), day(d), month(d)) END;
CREATE MACRO no_gaps(xs) AS list_distinct(list_filter(xs, lambda x: x IS NOT NULL AND x <> ''));
CREATE MACRO short_of(ws) AS
    list_sort(list_distinct(flatten(list_transform(ws, lambda w: getvariable('nicknames')[w]))));
-- One end stays as it was where one letter changes; that is cheaper to look at than the distance.
CREATE MACRO is_near(w, x) AS (w[1] = x[1] OR w[-1] = x[-1]) AND length(w) >= 4 AND length(x) >= 4
    AND abs(length(w) - length(x)) <= 1 AND damerau_levenshtein(w, x) <= 1;
CREATE MACRO bits(part, whole) AS round(1000 * log2(whole / part))::INTEGER;

-- == people
-- The index as linking needs it: a row for each person, with how rare its names and places are, in
-- thousandths of a bit.

CREATE TABLE people AS
WITH everybody AS (SELECT * FROM read_parquet(getvariable('people'))),
old AS (SELECT row, list(nhs ORDER BY nhs) AS old FROM read_parquet(getvariable('numbers'))
    WHERE is_superseded GROUP BY row),
locals AS (SELECT row, list(organisation || ':' || number) AS locals,
    list(number) AS bare, list(organisation) AS givers
    FROM read_parquet(getvariable('local_numbers')) GROUP BY row),
family AS (SELECT name, people FROM read_parquet(getvariable('names')) WHERE kind = 'family'),
given AS (SELECT name, people, short_of([name]) AS shorts
    FROM read_parquet(getvariable('names')) WHERE kind = 'given'),
posted AS (SELECT postcode, count(*) AS c FROM everybody GROUP BY postcode),
outward AS (SELECT split_part(postcode, ' ', 1) AS outcode, count(*) AS c FROM everybody GROUP BY 1),
housed AS (SELECT house || ' ' || street AS place, count(*) AS c FROM everybody GROUP BY 1),
called AS (SELECT unnest(phones) AS phone, count(*) AS c FROM everybody GROUP BY 1),
mailed AS (SELECT email, count(*) AS c FROM everybody WHERE email <> '' GROUP BY 1),
practised AS (SELECT practice, count(*) AS c FROM everybody GROUP BY 1)
SELECT e.row, e.nhs, coalesce(o.old, []) AS old, coalesce(l.locals, []) AS locals,
    coalesce(l.bare, []) AS bare, coalesce(l.givers, []) AS givers,
    e.family, e.previous,
    CASE WHEN len(e.family_words) > 1 THEN e.family_words ELSE [] END AS parts,
    e.given_words AS given, e.first_given, coalesce(e.given_words[2], '') AS second_given,
    coalesce(g.shorts, []) AS shorts,
    CASE WHEN e.birth::VARCHAR NOT IN (SELECT unnest(getvariable('defaults'))) THEN e.birth END
        AS birth,
    coalesce(strftime(e.birth, '%Y%m%d'), '') AS birth_text, e.sex, e.postcode,
    split_part(e.postcode, ' ', 1) AS outcode,
    CASE WHEN e.house <> '' AND e.street <> '' THEN e.house || ' ' || e.street ELSE '' END AS place,
    e.phones, e.email, e.practice,
    bits(coalesce(f.people, 1), getvariable('people_count')) AS family_bits,
    bits(coalesce(v.people, 1), getvariable('people_count')) AS previous_bits,
    bits(coalesce(g.people, 1), getvariable('people_count')) AS given_bits,
    bits(coalesce(s.people, 1), getvariable('people_count')) AS second_bits,
    bits(coalesce(posted.c, 1), getvariable('people_count')) AS postcode_bits,
    bits(coalesce(outward.c, 1), getvariable('people_count')) AS outcode_bits,
    bits(coalesce(housed.c, 1), getvariable('people_count')) AS address_bits,
    bits(coalesce(called.c, 1), getvariable('people_count')) AS phone_bits,
    bits(coalesce(mailed.c, 1), getvariable('people_count')) AS email_bits,
    bits(coalesce(practised.c, 1), getvariable('people_count')) AS practice_bits
FROM everybody e
LEFT JOIN old o ON o.row = e.row
LEFT JOIN locals l ON l.row = e.row
LEFT JOIN family f ON f.name = e.family
LEFT JOIN family v ON v.name = e.previous
LEFT JOIN given g ON g.name = e.first_given
LEFT JOIN given s ON s.name = e.given_words[2]
LEFT JOIN posted ON posted.postcode = e.postcode
LEFT JOIN outward ON outward.outcode = split_part(e.postcode, ' ', 1)
LEFT JOIN housed ON housed.place = e.house || ' ' || e.street
LEFT JOIN called ON called.phone = e.phones[1]
LEFT JOIN mailed ON mailed.email = e.email
LEFT JOIN practised ON practised.practice = e.practice;

CREATE TABLE numbers AS SELECT nhs, row FROM read_parquet(getvariable('numbers'));
CREATE TABLE local_numbers AS
    SELECT organisation || ':' || number AS whole, number, row
    FROM read_parquet(getvariable('local_numbers'));

-- What people are looked up by, beside numbers: each block's parts as one hash. The block's number
-- is a part, so that one block's keys are not another's.

CREATE TABLE person_keys AS
WITH named AS (SELECT row, nhs, birth, postcode, place, practice, phones, email, first_given, family,
    no_gaps([family, previous] || parts) AS families FROM people)
SELECT hash(4, birth, unnest(families)) AS key, row FROM named WHERE birth IS NOT NULL
UNION ALL SELECT hash(5, birth, first_given), row FROM named
    WHERE birth IS NOT NULL AND first_given <> ''
UNION ALL SELECT hash(6, unnest(families), first_given, postcode), row FROM named
    WHERE postcode <> '' AND first_given <> ''
UNION ALL SELECT hash(7, unnest(families), first_given, place), row FROM named
    WHERE place <> '' AND first_given <> ''
UNION ALL SELECT hash(8, unnest(phones), word), row
    FROM (SELECT row, phones, unnest(no_gaps(families || [first_given])) AS word FROM named)
UNION ALL SELECT hash(8, email, unnest(no_gaps(families || [first_given]))), row FROM named
    WHERE email <> ''
UNION ALL SELECT hash(9, birth, postcode), row FROM named WHERE birth IS NOT NULL AND postcode <> ''
UNION ALL SELECT hash(10, unnest(families), first_given, year(birth)), row FROM named
    WHERE birth IS NOT NULL AND first_given <> ''
UNION ALL SELECT hash(11, unnest(families), first_given, practice), row FROM named
    WHERE practice <> '' AND first_given <> ''
UNION ALL SELECT hash(12, email), row FROM named WHERE email <> ''
UNION ALL SELECT hash(13, contact, unnest(families), first_given), row FROM (
    SELECT row, families, first_given, unnest(no_gaps(phones || [email])) AS contact FROM named)
    WHERE first_given <> ''
UNION ALL SELECT hash(14, lpad(nhs::VARCHAR, 10, '0')[:6], unnest(families)), row FROM named
    WHERE nhs IS NOT NULL;

-- == mentions
-- Each fragment, and the unit it is a copy in: what was written once, however often. Where a hospital's
-- number has no owner, organisations around it matter, so that they are part of the unit.

CREATE TABLE mentions AS
SELECT hash(fingerprint, list_contains(marks, 'test_patient'), list_contains(marks, 'staff'),
        CASE WHEN len(list_filter(local_number, lambda x: starts_with(x, ':'))) > 0
            THEN list_sort(organisation) ELSE [] END) AS unit,
    content, number, "table",
    list_transform(list_filter(nhs_number, lambda x: try_cast(x AS BIGINT) IS NOT NULL),
        lambda x: x::BIGINT) AS nhs
FROM read_parquet(getvariable('fragments'));

-- The share of a table's numbers that are in the index, by table: what is a column of patients?

CREATE TABLE columns_known AS
SELECT "table", count(*) AS numbers, count(k.nhs) / count(*) AS share FROM (
    SELECT DISTINCT "table", unnest(nhs) AS nhs FROM mentions WHERE "table" <> '') m
LEFT JOIN (SELECT DISTINCT nhs FROM numbers) k ON k.nhs = m.nhs
GROUP BY "table";

CREATE TABLE leaders AS
SELECT unit, min({'content': m.content, 'number': m.number}) AS leader,
    coalesce(bool_or(c.share >= getvariable('column_share')
        AND c.numbers >= getvariable('column_least')), false) AS in_column
FROM mentions m LEFT JOIN columns_known c ON c."table" = m."table"
GROUP BY unit;

-- == units
-- What each unit says, from the copy that comes first by content and number.

CREATE TABLE units AS
WITH written AS (SELECT l.unit, l.in_column, f.* FROM read_parquet(getvariable('fragments')) f
    JOIN leaders l ON l.leader.content = f.content AND l.leader.number = f.number),
cut AS (SELECT *,
    all_words(family_name) AS family_ws, all_words(given_names) AS given_ws, all_words(name) AS name_ws,
    list_transform(list_filter(birth_date, lambda x: length(x) = 10
        AND NOT list_contains(getvariable('defaults'), x)
        AND try_cast(x AS DATE) IS NOT NULL), lambda x: x::DATE) AS births,
    list_transform(list_filter(nhs_number, lambda x: try_cast(x AS BIGINT) IS NOT NULL),
        lambda x: x::BIGINT) AS numbers
    FROM written)
SELECT unit, (unit % getvariable('parts'))::INTEGER AS part, in_column,
    list_contains(marks, 'test_patient') AS is_test, list_contains(marks, 'staff') AS is_staff,
    numbers AS nhs, []::BIGINT[] AS known, nhs_number_near AS wrong,
    list_transform(list_filter(nhs_number_near,
        lambda x: regexp_full_match(x, '[0-9]{6,9}\?{1,4}') AND length(x) = 10),
        lambda x: rtrim(x, '?')) AS begins,
    list_filter(local_number, lambda x: NOT starts_with(x, ':')) AS locals,
    list_transform(list_filter(local_number, lambda x: starts_with(x, ':')), lambda x: x[2:]) AS bare,
    list_distinct(list_transform(list_filter(local_number, lambda x: NOT starts_with(x, ':')),
        lambda x: split_part(x, ':', 1))) AS givers,
    organisation AS organisations,
    no_gaps(list_transform(family_name, lambda x: key_of(x)) || family_ws || name_ws
        || joined(name_ws)) AS families,
    CASE WHEN len(given_ws) > 0 THEN given_ws ELSE name_ws END AS given,
    coalesce(given_ws[1], '') AS first_given,
    len(given_ws) > 0 OR len(name_ws) > 1 AS has_given,
    short_of(CASE WHEN len(given_ws) > 0 THEN given_ws[:1] ELSE name_ws END) AS shorts,
    births, list_filter(list_transform(births, lambda d: swapped(d)), lambda d: d IS NOT NULL)
        AS births_swapped,
    list_transform(births, lambda d: strftime(d, '%Y%m%d')) AS birth_texts,
    list_filter(birth_date, lambda x: length(x) IN (4, 7)) AS partials,
    sex AS sexes, postcode AS postcodes,
    list_transform(postcode, lambda x: split_part(x, ' ', 1)) AS outcodes,
    list_filter(list_transform(address, lambda x: place_of(x)), lambda x: x <> '') AS places,
    phone AS phones, email AS emails, practice AS practices,
    ((len(numbers) + len(nhs_number_near) > 0)::INTEGER + (len(local_number) > 0)::INTEGER
        + (len(families) + len(given) > 0)::INTEGER + (len(births) > 0)::INTEGER
        + (len(postcode) + len(address) > 0)::INTEGER + (len(phone) + len(email) > 0)::INTEGER)
        AS kinds
FROM cut;

-- == near
-- Numbers that are in no index, whose neighbours are looked for (made in numpy, breach/near.py).

SELECT DISTINCT number FROM (
    SELECT unnest(wrong) AS number, len(families) + len(births) AS beside FROM units
    UNION ALL
    SELECT lpad(nhs::VARCHAR, 10, '0'), beside FROM (
        SELECT unnest(nhs) AS nhs, len(families) + len(births) AS beside FROM units
        WHERE NOT is_test)
    ANTI JOIN numbers USING (nhs))
WHERE beside > 0 ORDER BY number;

-- == part
-- One partition of the units: keys, candidates, levels, totals. All competitors for a unit are in the
-- same partition, so that the answer does not depend on how many there are.

CREATE OR REPLACE TEMP TABLE asked AS
WITH mine AS (SELECT * FROM units WHERE part = getvariable('part') AND NOT is_test),
held AS (SELECT unit, list(DISTINCT u.nhs ORDER BY u.nhs) AS known
    FROM (SELECT unit, unnest(nhs) AS nhs FROM mine) u
    SEMI JOIN numbers ON numbers.nhs = u.nhs GROUP BY unit),
nearby AS (SELECT unit, list(DISTINCT near.nhs ORDER BY near.nhs) AS near FROM (
        SELECT unit, unnest(wrong || list_transform(nhs, lambda x: lpad(x::VARCHAR, 10, '0')))
            AS number FROM mine)
    JOIN near USING (number) GROUP BY unit)
SELECT mine.* EXCLUDE (known), coalesce(held.known, []) AS known, coalesce(near, []) AS near
FROM mine LEFT JOIN held USING (unit) LEFT JOIN nearby USING (unit);

CREATE OR REPLACE TEMP TABLE unit_keys AS
WITH worded AS (SELECT unit, begins, births, births_swapped, postcodes, places, practices, phones, emails,
    list_filter(list_distinct(families || given), lambda w: length(w) > 1)[:8] AS words,
    list_filter(families, lambda w: length(w) > 1)[:6] AS fs,
    CASE WHEN first_given <> '' THEN [first_given]
        ELSE list_filter(given, lambda w: length(w) > 1)[:4] END AS gs FROM asked),
dated AS (SELECT unit, unnest(list_distinct(births || births_swapped)) AS birth, words, postcodes
    FROM worded),
full_names AS (SELECT unit, f, unnest(gs) AS g, births, postcodes, places, practices,
    phones, emails FROM (SELECT *, unnest(fs) AS f FROM worded))
SELECT hash(4, birth, unnest(words)) AS key, unit, 4 AS block FROM dated
UNION ALL SELECT hash(5, birth, unnest(words)), unit, 5 FROM dated
UNION ALL SELECT hash(6, f, g, unnest(postcodes)), unit, 6 FROM full_names WHERE f <> g
UNION ALL SELECT hash(7, f, g, unnest(places)), unit, 7 FROM full_names WHERE f <> g
UNION ALL SELECT hash(8, unnest(phones || emails), word), unit, 8
    FROM (SELECT unit, phones, emails, unnest(words) AS word FROM worded)
UNION ALL SELECT hash(9, birth, unnest(postcodes)), unit, 9 FROM dated
UNION ALL SELECT hash(10, f, g, unnest(list_distinct(list_transform(births, lambda d: year(d))))),
    unit, 10 FROM full_names WHERE f <> g
UNION ALL SELECT hash(11, f, g, unnest(practices)), unit, 11 FROM full_names WHERE f <> g
UNION ALL SELECT hash(12, unnest(emails)), unit, 12 FROM worded
UNION ALL SELECT hash(13, unnest(phones || emails), f, g), unit, 13 FROM full_names WHERE f <> g
UNION ALL SELECT hash(14, b[:6], unnest(fs)), unit, 14
    FROM (SELECT unit, fs, unnest(begins) AS b FROM worded);

CREATE OR REPLACE TEMP TABLE hits AS
SELECT k.key, k.row FROM person_keys k
    SEMI JOIN unit_keys ON unit_keys.key = k.key;

CREATE OR REPLACE TEMP TABLE pairs AS
WITH crowded AS (SELECT key, count(*) AS holders FROM hits GROUP BY key
    HAVING count(*) > getvariable('contact_holders_most')),
few AS (SELECT number FROM local_numbers GROUP BY number
    HAVING count(*) <= getvariable('bare_holders_most')),
met AS (
    SELECT unit, row, 0 AS block FROM (SELECT unit, unnest(known) AS nhs FROM asked)
        JOIN numbers USING (nhs)
    UNION ALL SELECT unit, row, 1 FROM (SELECT unit, unnest(near) AS nhs FROM asked)
        JOIN numbers USING (nhs)
    UNION ALL SELECT unit, row, 2 FROM (SELECT unit, unnest(locals) AS whole FROM asked)
        JOIN local_numbers USING (whole)
    UNION ALL SELECT unit, row, 3 FROM (
            SELECT unit, o || ':' || unnest(bare) AS whole FROM (
                SELECT unit, bare, unnest(organisations) AS o FROM asked WHERE len(bare) > 0))
        JOIN local_numbers USING (whole)
    UNION ALL SELECT unit, row, 3 FROM (SELECT unit, unnest(bare) AS number FROM asked)
        JOIN local_numbers USING (number) SEMI JOIN few USING (number)
    UNION ALL SELECT unit, row, block FROM (SELECT unit, key, block FROM unit_keys
        LEFT JOIN crowded USING (key) WHERE holders IS NULL
            OR block <> 8 AND holders <= getvariable('holders_most')) JOIN hits USING (key))
SELECT unit, row, min(block)::UTINYINT AS block, max(block)::UTINYINT AS last_block
FROM met GROUP BY unit, row;

CREATE OR REPLACE TEMP TABLE levels AS
SELECT unit, p.row, block, last_block, is_staff, in_column,
CASE WHEN len(u.nhs) = 0 AND len(u.wrong) = 0 THEN NULL
     WHEN list_contains(u.nhs, p.nhs) THEN
        CASE WHEN len(u.known) > 1 AND NOT list_has_all(p.old || [p.nhs], u.known)
            THEN 'nhs_agrees_beside_another' ELSE 'nhs_agrees' END
     WHEN list_has_any(u.nhs, p.old) THEN 'nhs_superseded'
     WHEN p.nhs IS NULL THEN NULL
     WHEN list_contains(u.near, p.nhs) THEN 'nhs_near'
     WHEN len(list_filter(u.begins, lambda x: starts_with(lpad(p.nhs::VARCHAR, 10, '0'), x))) > 0
        THEN 'nhs_begins'
     WHEN len(u.known) > 0 THEN 'nhs_other'
     WHEN len(u.nhs) > 0 THEN 'nhs_unknown'
     ELSE 'nhs_wrong' END AS nhs,
CASE WHEN list_has_any(u.locals, p.locals) THEN 'local_in_context'
     WHEN list_has_any(u.bare, p.bare) THEN 'local_bare'
     WHEN list_has_any(u.givers, p.givers) THEN 'local_other' END AS local,
CASE WHEN len(u.families) = 0 OR p.family = '' THEN NULL
     WHEN list_contains(u.families, p.family) THEN 'family_full'
     WHEN p.previous <> '' AND list_contains(u.families, p.previous) THEN 'family_previous'
     WHEN list_has_any(u.families, p.parts) THEN 'family_part'
     WHEN u.first_given <> '' AND list_contains(u.given, p.family)
        AND list_contains(u.families, p.first_given) THEN 'family_swapped'
     WHEN len(list_filter(u.families, lambda w: is_near(w, p.family))) > 0 THEN 'family_near'
     WHEN u.first_given <> '' AND list_contains(u.families, p.family[1]) THEN 'family_initial'
     ELSE 'family_differs' END AS family,
CASE WHEN NOT u.has_given OR p.first_given = '' THEN NULL
     WHEN u.first_given = p.first_given
        OR u.first_given = '' AND list_contains(u.given, p.first_given) THEN
        CASE WHEN p.second_given <> '' AND list_contains(u.given, p.second_given)
            THEN 'given_and_second' ELSE 'given_full' END
     WHEN u.first_given <> '' AND list_contains(u.given, p.family)
        AND list_contains(u.families, p.first_given) THEN 'given_swapped'
     WHEN list_contains(p.given, u.first_given) OR list_contains(u.given, p.first_given)
        OR u.first_given = '' AND list_has_any(u.given, p.given) THEN 'given_middle'
     WHEN list_has_any(u.shorts, p.shorts) THEN 'given_nickname'
     WHEN u.first_given = p.first_given[1] OR length(p.first_given) = 1
        AND u.first_given[1] = p.first_given
        OR u.first_given = '' AND list_contains(u.given, p.first_given[1]) THEN 'given_initial'
     WHEN u.first_given <> '' AND is_near(u.first_given, p.first_given) THEN 'given_near'
     WHEN u.first_given = '' AND len(list_filter(u.given, lambda w: is_near(w, p.first_given))) > 0
        THEN 'given_near'
     WHEN u.first_given = '' AND list_has_all(p.parts, u.given) THEN NULL
     ELSE 'given_differs' END AS given,
CASE WHEN p.birth IS NULL OR len(u.births) + len(u.partials) = 0 THEN NULL
     WHEN list_contains(u.births, p.birth) THEN 'birth_exact'
     WHEN list_contains(u.births_swapped, p.birth) THEN 'birth_swapped'
     WHEN len(list_filter(u.birth_texts, lambda t: hamming(t, p.birth_text) = 1)) > 0
        THEN 'birth_digit'
     WHEN list_contains(u.partials, p.birth_text[:4] || '-' || p.birth_text[5:6])
        THEN 'birth_month'
     WHEN list_contains(u.partials, p.birth_text[:4]) THEN 'birth_year'
     WHEN len(list_filter(u.birth_texts, lambda t: t[:6] = p.birth_text[:6])) > 0
        THEN 'birth_same_month'
     ELSE 'birth_differs' END AS birth,
CASE WHEN len(u.sexes) = 0 OR p.sex = '' THEN NULL
     WHEN list_contains(u.sexes, p.sex) THEN 'sex_agrees' ELSE 'sex_differs' END AS sex,
CASE WHEN len(u.postcodes) = 0 OR p.postcode = '' THEN NULL
     WHEN list_contains(u.postcodes, p.postcode) THEN 'postcode_agrees'
     WHEN list_contains(u.outcodes, p.outcode) THEN 'postcode_outcode'
     ELSE 'postcode_differs' END AS postcode,
CASE WHEN len(u.places) = 0 OR p.place = '' THEN NULL
     WHEN list_contains(u.places, p.place) THEN 'address_agrees' ELSE 'address_differs' END
     AS address,
CASE WHEN len(u.phones) = 0 OR len(p.phones) = 0 THEN NULL
     WHEN list_has_any(u.phones, p.phones) THEN 'phone_agrees' ELSE 'phone_differs' END AS phone,
CASE WHEN len(u.emails) = 0 OR p.email = '' THEN NULL
     WHEN list_contains(u.emails, p.email) THEN 'email_agrees' ELSE 'email_differs' END AS email,
CASE WHEN len(u.practices) = 0 OR p.practice = '' THEN NULL
     WHEN list_contains(u.practices, p.practice) THEN 'practice_agrees'
     ELSE 'practice_differs' END AS practice,
len(list_filter(u.locals, lambda x: list_contains(p.locals, x)
    AND NOT regexp_full_match(split_part(x, ':', 2), '[0-9]{10}'))) > 0 AS local_is_own,
family_bits, previous_bits, given_bits, second_bits, postcode_bits, outcode_bits, address_bits,
phone_bits, email_bits, practice_bits
FROM pairs JOIN asked u USING (unit) JOIN people p ON p.row = pairs.row;

-- The weights of the levels; see scoring.Weights. What a level's frequency is, its weight's `u` says.

CREATE OR REPLACE TEMP TABLE totals AS
WITH weighed AS (SELECT *, {weights} FROM levels),
summed AS (SELECT *, w_nhs + w_local + w_family + w_given + w_birth + w_sex
    + least(w_postcode + w_address + w_phone + w_email + w_practice,
        CASE WHEN given = 'given_differs' OR birth = 'birth_differs'
            THEN getvariable('household_most') ELSE getvariable('location_most') END) AS total,
    len(list_intersect([family, given, birth, postcode, address, phone, email],
        getvariable('corroborators'))) > 0 AS corroborated,
    coalesce(nhs IN ('nhs_agrees', 'nhs_superseded', 'nhs_agrees_beside_another'), false)
        AS by_number,
    coalesce(given = 'given_differs', false) AS is_given_other,
    coalesce(birth = 'birth_differs' OR birth = 'birth_same_month' AND given IS NULL, false)
        AS is_birth_other,
    coalesce(birth = 'birth_exact', false) AS is_birth_same,
    coalesce(given IN ('given_full', 'given_and_second'), false) AS is_given_same
    FROM weighed),
whole AS (SELECT *, NOT corroborated AND NOT (by_number
            AND coalesce(local IN ('local_in_context', 'local_bare'), false)) AS is_lone,
        bool_or(is_given_same AND is_birth_same) OVER (PARTITION BY unit) AS rival
    FROM summed WHERE block <> 1 OR last_block <> 1
        OR coalesce(family NOT IN ('family_differs', 'family_initial'), false)
        OR coalesce(birth IN ('birth_exact', 'birth_swapped', 'birth_digit'), false))
SELECT *,
CASE WHEN is_staff AND NOT by_number AND local IS DISTINCT FROM 'local_in_context'
        AND NOT is_birth_same THEN 'none'
     WHEN is_lone AND by_number THEN CASE WHEN in_column THEN 'review' ELSE 'none' END
     WHEN is_lone AND coalesce(local = 'local_bare', false) THEN 'none'
     WHEN is_lone AND NOT (coalesce(local = 'local_in_context', false) AND local_is_own)
        THEN 'review'
     WHEN is_birth_other OR is_given_other AND (rival OR NOT is_birth_same) THEN 'review'
     ELSE 'notify' END AS ceiling,
by_number AND (corroborated OR in_column) AS floor
FROM whole;

INSERT INTO sums
SELECT unit, round(16 * log2(sum(pow(2, total / 1000.0) ORDER BY total)))::INTEGER,
    sum(pow(2, total / 1000.0) ORDER BY total)
FROM totals GROUP BY unit;

INSERT INTO candidates
SELECT unit, row, total, block, ceiling, floor, {masks} AS mask, {agreed} AS agreed
FROM totals
WHERE total > getvariable('total_least') OR floor
QUALIFY row_number() OVER (PARTITION BY unit ORDER BY total DESC, row)
    <= getvariable('candidates_most') OR floor;

-- == links
-- Probabilities: this person against every other and against nobody in the index.

CREATE TABLE judged AS
WITH odds AS (SELECT c.*, s.evidence,
        round(getvariable('odds') * pow(2, total / 1000.0)
            / (1 + getvariable('odds') * s.evidence), 6) AS probability
    FROM candidates c JOIN sums s USING (unit)),
ranked AS (SELECT *, coalesce(lead(probability) OVER w, 0) AS next,
        row_number() OVER w AS place, first_value(probability) OVER w AS best
    FROM odds WINDOW w AS (PARTITION BY unit ORDER BY probability DESC, total DESC, row))
SELECT unit, row, probability, CASE WHEN place = 1 THEN next ELSE best END AS second,
    agreed, block, mask, ceiling,
    CASE WHEN ceiling = 'none' THEN 'none'
         WHEN probability >= getvariable('notify') AND ceiling = 'notify' THEN 'notify'
         WHEN probability >= getvariable('review') OR floor THEN 'review'
         ELSE 'none' END AS decision
FROM ranked;

CREATE TABLE linked AS
WITH best AS (SELECT row, max({'p': probability, 'mask': mask}) AS best FROM judged
    WHERE decision <> 'none' GROUP BY row),
others AS (SELECT j.row, max(j.probability) AS p FROM judged j JOIN best b ON b.row = j.row
    WHERE decision <> 'none' AND ceiling = 'notify' AND (j.mask & ~b.best.mask) <> 0 GROUP BY j.row),
counted AS (SELECT row, max(CASE WHEN decision = 'notify' THEN 1 ELSE 0 END) AS is_told,
    max(CASE WHEN ceiling = 'notify' THEN probability ELSE 0 END) AS open,
    count(*) AS fragments FROM judged WHERE decision <> 'none' GROUP BY row)
SELECT c.row, fragments, is_told, open,
    round(1 - (1 - best.p) * (1 - getvariable('gain') * coalesce(o.p, 0)), 6) AS probability,
    round(1 - (1 - open) * (1 - getvariable('gain') * coalesce(o.p, 0)), 6) AS raised
FROM counted c JOIN best b ON b.row = c.row LEFT JOIN others o ON o.row = c.row;

-- == answers
-- The three tables that are written, by their names.

CREATE VIEW links AS
SELECT m.content, m.number, j.row, j.probability, j.second, j.decision,
    j.agreed, getvariable('blocks')[j.block + 1] AS block
FROM judged j JOIN mentions m ON m.unit = j.unit
WHERE j.decision <> 'none'
ORDER BY content, number, row;

CREATE VIEW told AS
WITH seen AS (SELECT j.row, count(DISTINCT m.content) AS files
    FROM judged j JOIN mentions m ON m.unit = j.unit WHERE j.decision <> 'none' GROUP BY j.row)
SELECT l.row, CASE WHEN is_told = 1 OR raised >= getvariable('notify') THEN 'notify'
    ELSE 'review' END AS decision, probability, fragments::INTEGER AS fragments,
    files::INTEGER AS files
FROM linked l JOIN seen s ON s.row = l.row
ORDER BY l.row;

CREATE VIEW nobody AS
WITH tied AS (SELECT unit, bool_or(decision <> 'none') AS tied,
    bool_or(ceiling = 'none' AND probability >= getvariable('review')) AS stopped,
    count(*) FILTER (WHERE probability >= 0.05) AS several FROM judged GROUP BY unit)
SELECT m.content, m.number,
    CASE WHEN u.is_test THEN 'a test patient'
         WHEN u.is_staff THEN 'staff, by name alone or not in the index'
         WHEN u.kinds = 1 AND len(u.nhs) > 0 THEN 'a number alone'
         WHEN u.kinds < 2 THEN 'too little to tell who'
         WHEN t.stopped THEN 'a number that nothing else agrees with'
         WHEN t.several > 1 THEN 'several people could be meant'
         WHEN t.unit IS NULL THEN 'nobody in the index agrees'
         ELSE 'nobody in the index agrees well enough' END AS why
FROM mentions m JOIN units u ON u.unit = m.unit LEFT JOIN tied t ON t.unit = m.unit
WHERE NOT coalesce(t.tied, false) AND u.kinds + len(u.partials) > 0
ORDER BY content, number;
