-- Members are found by the words of their name, headline and company. What members had before is indexed by the
-- program, a part at a time.

-- +goose Up
-- The name of a member in the form by which lists are ordered.
CREATE TABLE names (
	member TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	folded TEXT COLLATE "C" NOT NULL
) /*sqlite WITHOUT ROWID*/;
CREATE INDEX names_in_order ON names (folded, member);

-- The words of a member's name, headline and company, each once.
CREATE TABLE member_words (
	member     TEXT COLLATE "C" NOT NULL,
	word       TEXT COLLATE "C" NOT NULL,
	in_company BOOLEAN NOT NULL, -- it is a word of the company
	PRIMARY KEY (member, word)
) /*sqlite WITHOUT ROWID*/;
CREATE INDEX member_words_by_word ON member_words (word, member);
