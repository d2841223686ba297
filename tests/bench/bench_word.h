/* What bench_engine answers with, once a token, and bench_http looks for: no gateway writes it of its own accord, and its first letter
 * does not come again in it, so that it is found byte by byte. */
#ifndef OG_BENCH_WORD_H
#define OG_BENCH_WORD_H

#define BENCH_WORD "zebra"

#endif
