/* seeds.c - the two-level bootstrap against what is known of it, and Holm's adjustment against values computed by hand.
 */
#include "score/seeds.h"

#include <math.h>

#include "../helper/tap.h"

static const struct bootstrap options = {.draws = 4000, .level = 0.95, .seed = 1};

static void test_holm(void)
{
    double p[] = {0.01, 0.04, 0.03, 0.005}, same[] = {0.6, 0.6};
    holm_adjust(p, 4);
    near(p[3], 0.02, 1e-15, "the smallest times four");
    near(p[0], 0.03, 1e-15, "the next times three");
    near(p[2], 0.06, 1e-15, "the next times two");
    near(p[1], 0.06, 1e-15, "the largest is not below the one before it");
    holm_adjust(same, 2);
    near(same[0], 1, 0, "nothing above 1");
    holm_adjust(NULL, 0);
}

/* Every row has the same difference in a seed: only the seeds spread. */
static void test_seeds_alone(void)
{
    float d[4 * 50];
    for (size_t s = 0; s < 4; s++)
        for (size_t i = 0; i < 50; i++)
            d[s * 50 + i] = s < 2 ? 1 : 0;
    struct seed_result r = seeds_compare(&options, &(struct seed_differences){d, 4, 50});
    near(r.mean, 0.5, 1e-12, "the mean");
    near(r.interval.low, 0, 0, "four fair coins: none in one draw of sixteen");
    near(r.interval.high, 1, 0, "and all as often");
    near(r.p, 2.0 / 16, 0.02, "twice the share of draws at 0, 1/16");
}

/* Every seed has the same difference in a row: only the rows spread, as the binomial tells. */
static void test_rows_alone(void)
{
    float d[3 * 400];
    for (size_t s = 0; s < 3; s++)
        for (size_t i = 0; i < 400; i++)
            d[s * 400 + i] = i % 4 == 0;
    struct seed_result r = seeds_compare(&options, &(struct seed_differences){d, 3, 400});
    double half = 1.96 * sqrt(0.25 * 0.75 / 400);
    near(r.mean, 0.25, 1e-12, "a quarter of the rows");
    near(r.interval.low, 0.25 - half, 0.006, "the interval begins where the normal one does");
    near(r.interval.high, 0.25 + half, 0.006, "and ends there");
    near(r.p, 2.0 / 4001, 1e-12, "no draw at 0: the smallest p that there is");
    struct seed_result again = seeds_compare(&options, &(struct seed_differences){d, 3, 400});
    ok(again.interval.low == r.interval.low && again.interval.high == r.interval.high, "a function of the seed");
}

/* Both spread. The interval and p are of 400,000 draws by numpy (multinomial weights of seeds and rows). */
static void test_both(void)
{
    enum { SEEDS = 5, ROWS = 60 };
    float d[SEEDS * ROWS];
    for (int s = 0; s < SEEDS; s++)
        for (int i = 0; i < ROWS; i++) {
            int x = (s * s * 7 + i * i * 3 + s * i) % 11;
            d[s * ROWS + i] = x < 9 ? (float)(x % 3 - 1) : 1;
        }
    struct seed_result r = seeds_compare(&(struct bootstrap){.draws = 40000, .level = 0.95, .seed = 2},
                                         &(struct seed_differences){d, SEEDS, ROWS});
    near(r.mean, 1.0 / 300, 1e-9, "the mean");
    near(r.interval.low, -0.20333, 0.006, "seeds and rows together: the interval begins where numpy's does");
    near(r.interval.high, 0.18667, 0.006, "and ends there");
    near(r.p, 0.9494, 0.015, "p");
}

static void test_no_difference(void)
{
    static const float d[20] = {0};
    struct seed_result r = seeds_compare(&options, &(struct seed_differences){d, 2, 10});
    ok(r.mean == 0 && r.interval.low == 0 && r.interval.high == 0, "no difference");
    near(r.p, 1, 0, "p is 1");
}

int main(void)
{
    test_holm();
    test_seeds_alone();
    test_rows_alone();
    test_both();
    test_no_difference();
    return done_testing();
}
