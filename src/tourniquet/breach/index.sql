-- From `source`, `left_out` and the forms of names to the tables of an index (breach/index.py).
-- One form for numbers, postcodes and telephones: as breach/canonical.py has it; a test holds both
-- to the same answers.

CREATE MACRO digits_of(x) AS replace(replace(x, ' ', ''), '-', '');
CREATE MACRO checked(n) AS CASE WHEN (11 - (10 * (n // 1000000000 % 10) + 9 * (n // 100000000 % 10)
    + 8 * (n // 10000000 % 10) + 7 * (n // 1000000 % 10) + 6 * (n // 100000 % 10)
    + 5 * (n // 10000 % 10) + 4 * (n // 1000 % 10) + 3 * (n // 100 % 10) + 2 * (n // 10 % 10))
    % 11) % 11 = n % 10 THEN n END;
CREATE MACRO nhs_of(x) AS CASE WHEN regexp_full_match(digits_of(x), '[0-9]{10}')
    THEN checked(digits_of(x)::BIGINT) END;
CREATE MACRO close(x) AS
    upper(translate(x, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13), ''));
CREATE MACRO postcode_of(x) AS CASE WHEN regexp_full_match(close(x),
    '(GIR0AA|[A-PR-UWYZ]([0-9]{1,2}|[A-HK-Y][0-9]|[A-HK-Y][0-9][0-9ABEHMNPRV-Y]|[0-9][A-HJKPS-UW])[0-9][ABD-HJLNP-UW-Z]{2})')
    THEN left(close(x), -3) || ' ' || right(close(x), 3) ELSE '' END;
CREATE MACRO nation_of(x) AS regexp_replace(regexp_replace(replace(x, '(0)', ''), '[^0-9+]', '', 'g'),
    '^(\+44|0044)', '0');
CREATE MACRO phone_of(x) AS CASE WHEN regexp_full_match(ltrim(nation_of(x), '+'), '0[0-9]{9,10}')
    THEN ltrim(nation_of(x), '+') ELSE '' END;
CREATE MACRO parts_of(x) AS
    list_filter(list_transform(string_split(x, ';'), lambda y: trim(y)), lambda y: y <> '');

-- People: rows without a key, or with one that came before, are left out and named.

INSERT INTO left_out SELECT 'row ' || (place + 1), 'person', 'it has no key' FROM source
    WHERE person = '' ORDER BY place;
INSERT INTO left_out SELECT 'row ' || (place + 1), 'person', 'its key came before' FROM source
    WHERE person <> '' QUALIFY row_number() OVER (PARTITION BY person ORDER BY place) > 1
    ORDER BY place;
CREATE TABLE first_places AS SELECT place, (row_number() OVER (ORDER BY place) - 1)::INTEGER AS row
    FROM (SELECT min(place) AS place FROM source WHERE person <> '' GROUP BY person);
CREATE VIEW kept AS SELECT first_places.row, source.* FROM source JOIN first_places USING (place);
CREATE TABLE people AS SELECT
    row,
    person,
    nhs_of(nhs_number) AS nhs,
    coalesce(f.key, '') AS family,
    coalesce(f.words, []) AS family_words,
    coalesce(v.key, '') AS previous,
    coalesce(g.words, []) AS given_words,
    coalesce(g.words[1], '') AS first_given,
    try_cast(birth_date AS DATE) AS birth,
    CASE WHEN lower(sex) IN ('f', 'female', '2') THEN 'female'
         WHEN lower(sex) IN ('m', 'male', '1') THEN 'male' ELSE '' END AS sex,
    postcode_of(postcode) AS postcode,
    home.house AS house,
    home.street AS street,
    list_filter(list_transform(parts_of(phone), lambda y: phone_of(y)), lambda y: y <> '')
        AS phones,
    lower(trim(email)) AS email,
    upper(gp_practice) AS practice,
    try_cast(died_on AS DATE) AS died
FROM (SELECT *, regexp_extract(upper(address), '([0-9]+[A-Z]?)\W+([A-Z]+)', ['house', 'street'])
    AS home FROM kept)
LEFT JOIN family_forms f ON f.written = family_name
LEFT JOIN previous_forms v ON v.written = previous_family_name
LEFT JOIN given_forms g ON g.written = given_names;

-- Values that have no form are left out and named.

INSERT INTO left_out SELECT 'person ' || k.person, 'nhs_number', 'it is no NHS number'
    FROM kept k WHERE nhs_number <> '' AND nhs_of(nhs_number) IS NULL ORDER BY place;
INSERT INTO left_out SELECT 'person ' || k.person, 'birth_date', 'it is no date as YYYY-MM-DD'
    FROM kept k WHERE birth_date <> '' AND try_cast(birth_date AS DATE) IS NULL ORDER BY place;
INSERT INTO left_out SELECT 'person ' || k.person, 'died_on', 'it is no date as YYYY-MM-DD'
    FROM kept k WHERE died_on <> '' AND try_cast(died_on AS DATE) IS NULL ORDER BY place;

-- What is looked up in.

CREATE TABLE numbers AS
    SELECT nhs, row, false AS is_superseded FROM people WHERE nhs IS NOT NULL
    UNION ALL
    SELECT nhs_of(old), row, true FROM (
        SELECT row, unnest(parts_of(superseded_nhs_numbers)) AS old FROM kept
        WHERE superseded_nhs_numbers <> '') WHERE nhs_of(old) IS NOT NULL
    ORDER BY nhs, row;
CREATE TABLE local_numbers AS SELECT
        CASE WHEN contains(one, ':') THEN upper(trim(split_part(one, ':', 1))) ELSE '' END
            AS organisation,
        close(CASE WHEN contains(one, ':') THEN split_part(one, ':', 2) ELSE one END) AS number,
        row
    FROM (SELECT row, unnest(parts_of(local_numbers)) AS one FROM kept WHERE local_numbers <> '')
    ORDER BY number, organisation, row;
CREATE TABLE names AS
    SELECT 'family' AS kind, name, count(*) AS people FROM (
        SELECT row, unnest(list_distinct(list_concat(family_words, [family, previous]))) AS name
        FROM people) WHERE name <> '' GROUP BY name
    UNION ALL
    SELECT 'given', name, count(*) FROM (
        SELECT row, unnest(list_distinct(given_words)) AS name FROM people)
        WHERE name <> '' GROUP BY name
    ORDER BY 1, 2;
