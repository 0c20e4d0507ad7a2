-- Fingerprints of bodies are made of the texts when a sender comes near the limit of R41, and stored nowhere.

-- +goose Up
DROP TABLE fingerprints;
