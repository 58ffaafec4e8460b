/* Who is let in, by the SHA-256 of what a caller sends as `authorization`, and what answers. */
#include "parts.h"

#include <stdlib.h>
#include <string.h>

void tc_keys_init(tc_keys *keys)
{
    memset(keys, 0, sizeof *keys);
    pthread_mutex_init(&keys->lock, NULL);
}

void tc_keys_free(tc_keys *keys)
{
    for (size_t i = 0; i < TC_KEY_BUCKET_COUNT; i++) {
        for (tc_key *key = keys->buckets[i], *next; key != NULL; key = next) {
            next = key->next;
            free(key);
        }
    }
    for (tc_account *account = keys->accounts, *next; account != NULL; account = next) {
        next = account->next;
        free(account);
    }
    pthread_mutex_destroy(&keys->lock);
}

static size_t bucket_of(const unsigned char *digest)
{
    return (digest[0] | (size_t)digest[1] << 8) % TC_KEY_BUCKET_COUNT;
}

tc_account *tc_keys_find(
    const tc_keys *keys, const unsigned char *digest, int method, int64_t monotonic_ns)
{
    const unsigned bit = 1u << (unsigned)method;
    if (digest == NULL)
        return keys->anybody_methods & bit ? keys->anybody : NULL;
    for (const tc_key *key = keys->buckets[bucket_of(digest)]; key != NULL; key = key->next)
        if (memcmp(key->digest, digest, TC_DIGEST_SIZE) == 0)
            return key->until_ns > monotonic_ns && key->methods & bit ? key->account : NULL;
    return NULL;
}

/* Returns the account of an id, made if need be; NULL without memory. Accounts stay: they are as
 * few as those whose keys were ever used here. */
static tc_account *account_of(tc_keys *keys, const char *id)
{
    for (tc_account *account = keys->accounts; account != NULL; account = account->next)
        if (strcmp(account->id, id) == 0)
            return account;
    const size_t size = strlen(id) + 1;
    tc_account *account = calloc(1, sizeof *account + size);
    if (account == NULL)
        return NULL;
    memcpy(account->id, id, size);
    account->next = keys->accounts;
    keys->accounts = account;
    return account;
}

static void remove_key(tc_keys *keys, tc_key **place)
{
    tc_key *key = *place;
    *place = key->next;
    free(key);
    keys->count--;
}

static void forget(tc_keys *keys, const unsigned char *digest)
{
    for (tc_key **place = &keys->buckets[bucket_of(digest)]; *place != NULL;
         place = &(*place)->next) {
        if (memcmp((*place)->digest, digest, TC_DIGEST_SIZE) == 0) {
            remove_key(keys, place);
            return;
        }
    }
}

static void remove_old_keys(tc_keys *keys, int64_t monotonic_ns)
{
    for (size_t i = 0; i < TC_KEY_BUCKET_COUNT; i++) {
        tc_key **place = &keys->buckets[i];
        while (*place != NULL) {
            if ((*place)->until_ns <= monotonic_ns)
                remove_key(keys, place);
            else
                place = &(*place)->next;
        }
    }
}

static int set_key(
    tc_keys *keys, const unsigned char *digest, const char *account_id, unsigned methods,
    int64_t until_ns, int64_t monotonic_ns)
{
    forget(keys, digest);
    if (keys->count >= TC_KEY_COUNT_MAX)
        remove_old_keys(keys, monotonic_ns);
    /* Whoever finds no room is handed over at every call, and answered all the same. */
    if (keys->count >= TC_KEY_COUNT_MAX)
        return 0;
    tc_account *account = account_of(keys, account_id);
    tc_key *key = account == NULL ? NULL : malloc(sizeof *key);
    if (key == NULL)
        return -1;
    key->account = account;
    key->methods = methods;
    key->until_ns = until_ns;
    memcpy(key->digest, digest, TC_DIGEST_SIZE);
    key->next = keys->buckets[bucket_of(digest)];
    keys->buckets[bucket_of(digest)] = key;
    keys->count++;
    return 0;
}

int tc_front_set_key(
    tc_front *front, const unsigned char digest[TC_DIGEST_SIZE], const char *account_id,
    unsigned methods, int64_t lifetime_ns)
{
    const int64_t now_ns = tc_monotonic_ns();
    const int64_t until_ns = lifetime_ns > INT64_MAX - now_ns ? INT64_MAX : now_ns + lifetime_ns;
    pthread_mutex_lock(&front->keys.lock);
    const int done = set_key(&front->keys, digest, account_id, methods, until_ns, now_ns);
    pthread_mutex_unlock(&front->keys.lock);
    return done;
}

void tc_front_forget_key(tc_front *front, const unsigned char digest[TC_DIGEST_SIZE])
{
    pthread_mutex_lock(&front->keys.lock);
    forget(&front->keys, digest);
    pthread_mutex_unlock(&front->keys.lock);
}

int tc_front_set_anybody(tc_front *front, const char *account_id, unsigned methods)
{
    pthread_mutex_lock(&front->keys.lock);
    tc_account *account = account_id == NULL ? NULL : account_of(&front->keys, account_id);
    front->keys.anybody = account;
    front->keys.anybody_methods = account == NULL ? 0 : methods;
    pthread_mutex_unlock(&front->keys.lock);
    return account == NULL && account_id != NULL ? -1 : 0;
}

int tc_front_set_answerer(tc_front *front, const char *account_id, const tc_answerer *answerer)
{
    pthread_mutex_lock(&front->keys.lock);
    tc_account *account = account_of(&front->keys, account_id);
    if (account != NULL)
        account->answerer = answerer == NULL ? (tc_answerer){0} : *answerer;
    pthread_mutex_unlock(&front->keys.lock);
    return account == NULL ? -1 : 0;
}
