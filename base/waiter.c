#include "base/waiter.h"

void wake(struct waiter *waiter)
{
    if (waiter == NULL || waiter->ready) {
        return;
    }
    struct ready_list *list = waiter->list;
    waiter->ready = true;
    waiter->next = NULL;
    waiter->prev = list->last;
    if (list->last != NULL) {
        list->last->next = waiter;
    } else {
        list->first = waiter;
    }
    list->last = waiter;
}

void waiter_cancel(struct waiter *waiter)
{
    if (!waiter->ready) {
        return;
    }
    struct ready_list *list = waiter->list;
    if (waiter->prev != NULL) {
        waiter->prev->next = waiter->next;
    } else {
        list->first = waiter->next;
    }
    if (waiter->next != NULL) {
        waiter->next->prev = waiter->prev;
    } else {
        list->last = waiter->prev;
    }
    waiter->next = NULL;
    waiter->prev = NULL;
    waiter->ready = false;
}

bool ready_list_run(struct ready_list *list, unsigned limit)
{
    for (; limit > 0 && list->first != NULL; limit--) {
        struct waiter *waiter = list->first;
        waiter_cancel(waiter);
        waiter->resume(waiter);
    }
    return list->first != NULL;
}
