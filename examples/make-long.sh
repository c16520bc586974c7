#!/bin/sh
# Prints one request of more than 128,000 tokens, on one line: a day of a web shop's log with a question behind it. The
# same bytes every time. It is made when the demo runs, because a megabyte of log is not worth committing.
set -eu
LC_ALL=C exec awk 'BEGIN {
    split("checkout search basket login stock mail", service, " ")
    split("GET POST PUT DELETE", method, " ")
    split("ok ok ok ok slow retry timeout refused", outcome, " ")
    split("Oslo Lisbon Riga Turin Ghent Porto Malmo", city, " ")
    printf "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"The log of our shop for one day:\\n\\n"
    seed = 20260726
    for (i = 0; i < 9000; i++) {
        seed = seed * 16807 % 2147483647    # exact in every awk: the product stays below 2^53
        t = i * 9
        printf "%02d:%02d:%02d ", int(t / 3600), int(t / 60) % 60, t % 60
        printf "%s %s /v1/item/%d ", service[seed % 6 + 1], method[int(seed / 6) % 4 + 1], int(seed / 24) % 9000
        printf "%s %d ms ", outcome[int(seed / 97) % 8 + 1], int(seed / 13) % 2400
        printf "from %s, request %010d\\n", city[int(seed / 31) % 7 + 1], seed
    }
    printf "\\nWhich service failed most often between noon and three, and what do the failures share?\"}],"
    printf "\"max_tokens\":400,\"metadata\":{\"id\":\"long-log\"}}\n"
}'
