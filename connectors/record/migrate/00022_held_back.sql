-- A CRM may hold InMails back whose recipient it does not know: they have no record there, and are counted.

-- +goose Up
CREATE INDEX crm_links_held ON crm_links (crm, match_state) WHERE record_id = '' AND match_state IN ('Unmatched', 'Ambiguous');
