"""A small knowledge base to ask, in both languages."""

from io import BytesIO

from accounts.models import User
from knowledge.bases import create_base
from knowledge.documents import add_document
from knowledge.models import Base

NAME = "Employee handbook 员工手册"
DOCUMENTS = {
    "travel.md": """# Travel

## Hotels

A night may cost 120 euros, in Paris and London 180 euros.
What costs more is approved by a manager before it is booked.

## Trains and flights

Trains are booked in second class, in first class on journeys of more than four hours.
Flights within a country need a reason.

| Distance | Means | Class |
|---|---|---|
| below 300 km | train | second |
| 300 to 800 km | train or plane | second, economy |
| above 800 km | plane | economy |
""",
    "leave.md": """# Leave

Everybody has 30 days of leave a year. Five of them may be kept until 31 March of the next year.

Parents may take up to three years of unpaid leave for each child.
They tell their manager eight weeks before.
""",
    "差旅.md": """# 差旅

## 住宿

一线城市住宿标准为每晚五百元，其他城市为每晚三百五十元。超出部分须在预订前由部门经理批准。

## 报销

出差结束后三十天内提交报销申请，附发票原件。超过三十天的申请需要财务总监批准。
""",
    "请假.md": """# 请假

员工每年享有十五天年假，其中五天可以保留到次年三月三十一日。

病假超过三天的，须提交医院证明。
""",
}


def add_demo_base(user: User) -> None:
    """Unless they have it; an administrator's can be asked by everybody."""
    if Base.objects.filter(owner=user, name=NAME).exists():
        return
    text = "What the company pays on journeys, and days of leave 差旅标准与休假"
    base = create_base(owner=user, name=NAME, description=text, is_shared=user.is_admin)
    for name, content in DOCUMENTS.items():
        add_document(base=base, file=BytesIO(content.encode()), name=name, actor=user)
