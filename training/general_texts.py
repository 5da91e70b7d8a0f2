"""Plain sentences about the world: a model that forgets what it knew before its training finds
them more surprising afterwards. Written for this purpose, so that no training set holds them."""

TEXTS: tuple[str, ...] = (
    "Water boils at a lower temperature on a high mountain, because the air presses less on it.",
    "The train was late, so we drank a second cup of coffee and watched the rain on the platform.",
    "A triangle with three equal sides has three equal angles, and each of them is sixty degrees.",
    "She folded the letter twice, put it into her pocket, and did not speak of it for years.",
    "To make bread you need flour, water, salt and yeast; patience does the rest of the work.",
    "The library opens at nine in the morning and closes at six, except on public holidays.",
    "Light from the sun takes a little more than eight minutes to reach the earth.",
    "If a function changes nothing outside itself, it is easier to test and to understand.",
    "The doctor asked how long the pain had lasted and whether it grew worse at night.",
    "Prices rose slowly through the spring, and many families began to count what they spent.",
    "A good map leaves out almost everything, and that is what makes it useful.",
    "The two rivers meet below the old bridge, where the children learn to swim in summer.",
    "高山上的气压比较低，所以水不到一百度就会沸腾。",
    "火车晚点了半个小时，我们在站台上又喝了一杯茶。",
    "三条边都相等的三角形，三个角也都相等，每个角是六十度。",
    "她把信折了两次放进口袋里，很多年都没有再提起这件事。",
    "做面包需要面粉、水、盐和酵母，剩下的就交给时间。",
    "图书馆早上九点开门，晚上六点关门，节假日除外。",
    "阳光从太阳到达地球，大约需要八分多钟。",
    "一个不改变外部状态的函数，更容易测试，也更容易看懂。",
    "医生问她疼了多久，夜里会不会更厉害。",
    "春天里物价慢慢上涨，很多家庭开始仔细计算每一笔开销。",
    "好的地图会省略几乎所有东西，这正是它有用的原因。",
    "两条河在老桥下面汇合，夏天孩子们就在那里学游泳。",
)
