-- The parents that a person chose in a CRM hold for the next InMail to the same member too.

-- +goose Up
ALTER TABLE crm_links ADD COLUMN chosen BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE crm_links SET chosen = TRUE WHERE notes LIKE '%"match":"by_hand"%';
CREATE INDEX crm_links_chosen ON crm_links (crm) WHERE chosen = TRUE;
