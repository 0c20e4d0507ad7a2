#!/bin/sh
# Appends the events since the last run to a file, one JSON object a line, for a warehouse to load. Run it by cron.
# INMAIL_URL=https://inmail.example.com INMAIL_KEY=inm_… warehouse.sh FOLDER   (a read-only operator key; needs curl and jq)
set -eu
folder=$1
place="$folder/after"
more=true
while [ "$more" = true ]; do
  after=""
  if [ -s "$place" ]; then after="&after=$(cat "$place")"; fi
  page=$(curl -fsS -H "Authorization: Bearer $INMAIL_KEY" "$INMAIL_URL/v1/events?limit=200$after")
  printf '%s' "$page" | jq -c '.items[]' >> "$folder/events.ndjson"
  printf '%s' "$page" | jq -r '.after // empty' > "$place.new"
  mv "$place.new" "$place"   # after the rows: a run that was cut off writes some twice, with the same id
  more=$(printf '%s' "$page" | jq -r '.more')
done
