package product

import (
	"context"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
)

// parseSearch turns a search text into a tsquery, which is empty for a text without letters and digits. It fails with
// errTooManyWords.
func parseSearch(ctx context.Context, db postgres.Reader, text string) (string, error) {
	parts, err := postgres.All(ctx, db, pgx.RowToStructByName[part], `select chunk, part, run from search_parts($1)`, text)
	if err != nil {
		return "", err
	}
	all, err := terms(parts)
	if err != nil || len(all) == 0 {
		return "", err
	}
	words, err := lookUp(ctx, db, all)
	if err != nil {
		return "", err
	}
	return tsquery(all, words), nil
}

// lookUp returns the words of terms, without compounds that no product has: ranking costs more with each alternative.
// Another word of four letters or more that no product has gets the stems of up to three similar words, too.
func lookUp(ctx context.Context, db postgres.Reader, all []term) (map[string]word, error) {
	corrected, exact := lookup(all)
	found, err := postgres.All(ctx, db, pgx.RowToStructByName[word], `
		with words as (
			select word, bool_or(corrected) as corrected from (
				select unnest($1::text[]) as word, true as corrected union all select unnest($2::text[]), false
			) w group by word
		), similar_words as (
			select w.word, w.corrected, array(
				select k.word from product_words k
				where w.corrected and k.word % w.word and length(w.word) >= 4 and w.word !~ '[0-9]' and not exists (
					select from product_words k
					where k.word >= w.word collate "C" and k.word < (w.word || chr(1114111)) collate "C")
				order by similarity(k.word, w.word) desc, k.word limit 3
			) as alike
			from words w
		), languages as (
			select stemmer(language) as language from product_languages union select 'simple'
		), stemmed as (
			select s.word, s.corrected, array(
				select distinct stem
				from languages l, unnest(s.word || s.alike) w,
					unnest(tsvector_to_array(to_tsvector(l.language, w))) stem
			) as stems
			from similar_words s
		)
		select s.word, s.stems, exists (select from languages l where to_tsvector(l.language, s.word) = '') as stop_word
		from stemmed s
		where s.corrected or length(s.word) < 4 or s.word ~ '[0-9]' or exists (
			select from unnest(s.word || s.stems) stem, product_words k
			where k.word >= stem collate "C" and k.word < (stem || chr(1114111)) collate "C")`, corrected, exact)
	words := make(map[string]word, len(found))
	for _, w := range found {
		words[w.Word] = w
	}
	return words, err
}
